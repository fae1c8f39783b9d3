import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.domain.pack import DomainPack, GraphEdge, GraphNode
from routenator.engine.errors import DeadEndError
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.argument_walker import ArgumentWalker
from routenator.engine.kg.store import GraphStore, build_graph, load_adjacency
from routenator.engine.sample import NodeRef

CITY, STATE, COUNTRY, KIND, NAME = (
    ("city", "City"),
    ("state", "State"),
    ("country", "Country"),
    ("kind", "Kind"),
    ("name", "Name"),
)
NODES = [
    GraphNode("ulm", "City", "Ulm", weight=1.0),
    GraphNode("bonn", "City", "Bonn", weight=3.0),
    GraphNode("lima", "City", "Lima", weight=4.0),
    GraphNode("bw", "State", "Swabia"),
    GraphNode("nrw", "State", "Rhineland"),
    GraphNode("de", "Country", "Germany"),
    GraphNode("pe", "Country", "Peru"),
    GraphNode("bar", "Kind", "bar", (), frozenset({"bar"})),
    GraphNode("pub", "Kind", "pub", (), frozenset({"pub"})),
    GraphNode("pubs", "Kind", "pubs", (), frozenset({"pub"})),
    GraphNode("anchor", "Name", "The Anchor", (), frozenset(), frozenset({"book"})),
    GraphNode("crown", "Name", "The Crown", (), frozenset(), frozenset({"rate"})),
]
EDGES = [
    GraphEdge("ulm", "bw", "in_state", 2.0),
    GraphEdge("bonn", "nrw", "in_state", 1.0),
    GraphEdge("bw", "de", "state_of", 1.0),
    GraphEdge("nrw", "de", "state_of", 1.0),
    GraphEdge("lima", "pe", "in_country", 5.0),
    GraphEdge("bar", "anchor", "named", 1.0),
    GraphEdge("pub", "anchor", "named", 3.0),
    GraphEdge("pub", "crown", "named", 6.0),
]
EDGE_TYPES = (
    ("in_state", "City", "State"),
    ("state_of", "State", "Country"),
    ("in_country", "City", "Country"),
    ("named", "Kind", "Name"),
)
NODE_TYPES = ("City", "State", "Country", "Kind", "Name")
BUILD_AND_WALK = """
import sys
from pathlib import Path
from routenator.engine.kg.argument_walker import ArgumentWalker
from routenator.engine.kg.store import load_adjacency

walker = ArgumentWalker(load_adjacency(Path(sys.argv[1])))
arguments = [("kind", "Kind"), ("name", "Name"), ("city", "City"), ("country", "Country")]
print([walker.walk(arguments, {"kind": "pub"}, "book", seed) for seed in range(50)])
"""


def walker_of(nodes: Sequence[GraphNode] = NODES, edges: Sequence[GraphEdge] = EDGES) -> ArgumentWalker:
    position = {node.id: i for i, node in enumerate(nodes)}
    return ArgumentWalker(
        Adjacency(
            nodes=tuple(NodeRef(node.id, node.type, node.label) for node in nodes),
            categories=tuple(node.categories for node in nodes),
            functions=tuple(node.functions for node in nodes),
            node_weights=np.array([node.weight for node in nodes], dtype=np.float64),
            sources=np.array([position[edge.source] for edge in edges], dtype=np.int64),
            targets=np.array([position[edge.target] for edge in edges], dtype=np.int64),
            weights=np.array([edge.weight for edge in edges], dtype=np.float64),
            edge_types=tuple(edge.type for edge in edges),
        )
    )


def shares(
    walker: ArgumentWalker, arguments: Sequence[tuple[str, str]], count: int, **category: str
) -> Counter[tuple[str, ...]]:
    walks = (walker.walk(arguments, category, "book", seed) for seed in range(count))
    return Counter(tuple(node.id for node in nodes) for nodes, _ in walks)


def chi_square(drawn: Counter[tuple[str, ...]], exact: dict[tuple[str, ...], float]) -> float:
    assert drawn.keys() == exact.keys()
    count = drawn.total()
    return sum((drawn[key] - count * share) ** 2 / (count * share) for key, share in exact.items())


def dead_end(walker: ArgumentWalker, arguments: Sequence[tuple[str, str]], **category: str) -> str:
    with pytest.raises(DeadEndError) as caught:
        walker.walk(arguments, category, "book", 0)
    return caught.value.what


@pytest.fixture
def store_path(make_pack: Callable[..., DomainPack], tmp_path: Path) -> Path:
    return build_graph(make_pack(NODES, EDGES, walk=NODE_TYPES, edge_types=EDGE_TYPES), tmp_path)


def test_a_free_draw_follows_the_weights_of_the_nodes() -> None:
    drawn = shares(walker_of(), [CITY], 20_000)
    # 2 degrees of freedom, 99.9th percentile.
    assert chi_square(drawn, {("ulm",): 1 / 8, ("bonn",): 3 / 8, ("lima",): 4 / 8}) < 13.8


def test_a_draw_among_neighbours_follows_the_weights_of_the_edges() -> None:
    nodes = [GraphNode("a", "Artist", "a"), *(GraphNode(t, "Track", t, weight=w) for t, w in (("x", 90.0), ("y", 1.0)))]
    nodes += [GraphNode("z", "Track", "z", weight=50.0)]
    edges = [GraphEdge("a", "x", "sings", 1.0), GraphEdge("y", "a", "sung_by", 3.0)]
    drawn = shares(walker_of(nodes, edges), [("artist", "Artist"), ("track", "Track")], 20_000)
    # 1 degree of freedom, 99.9th percentile.
    assert chi_square(drawn, {("a", "x"): 1 / 4, ("a", "y"): 3 / 4}) < 10.8


def test_an_argument_is_a_neighbour_of_the_latest_node_that_is_joined_to_its_type() -> None:
    found = shares(walker_of(), [CITY, ("name", "Name"), STATE, COUNTRY], 2000)
    german = {walk[::2] for walk in found if walk[0] != "lima"}
    assert german == {("ulm", "bw"), ("bonn", "nrw")}
    assert {walk[3] for walk in found if walk[0] != "lima"} == {"de"}
    # Lima has no state: it is drawn freely, and the country is that of the state, which came later.
    assert {walk[2:] for walk in found if walk[0] == "lima"} == {("bw", "de"), ("nrw", "de")}


def test_an_earlier_node_serves_where_the_latest_has_no_neighbour() -> None:
    nodes = [*NODES, GraphNode("callao", "State", "Callao")]
    edges = [*EDGES, GraphEdge("lima", "callao", "in_state", 1.0)]
    for seed in range(200):
        walked, hops = walker_of(nodes, edges).walk([CITY, STATE, COUNTRY], {}, "book", seed)
        if walked[0].id == "lima":
            assert [node.id for node in walked] == ["lima", "callao", "pe"]
            assert [(hop.source, hop.target) for hop in hops] == [("lima", "callao"), ("lima", "pe")]
            return
    raise AssertionError("Lima was never drawn")


def test_edges_are_followed_against_their_direction_and_recorded_as_they_stand() -> None:
    for seed in range(50):
        (country, city), (hop,) = walker_of().walk([COUNTRY, CITY], {}, "book", seed)
        if country.id == "pe":
            assert city.id == "lima"
            assert (hop.source, hop.type, hop.target, hop.weight) == ("lima", "in_country", "pe", 5.0)
            return
    raise AssertionError("Peru was never drawn")


def test_nodes_name_their_argument_and_come_in_order() -> None:
    nodes, _ = walker_of().walk([STATE, CITY, ("other", "Country")], {}, "book", 3)
    assert [(node.argument, node.type) for node in nodes] == [("state", "State"), CITY, ("other", "Country")]


def test_every_hop_exists_in_the_database(store_path: Path) -> None:
    walker = ArgumentWalker(load_adjacency(store_path))
    count = 0
    with GraphStore(store_path) as store:
        for seed in range(40):
            nodes, hops = walker.walk([COUNTRY, STATE, CITY, KIND, NAME], {"kind": "pub"}, "rate", seed)
            ids = {node.id for node in nodes}
            assert all({hop.source, hop.target} <= ids and store.has_hop(hop) for hop in hops)
            count += len(hops)
    assert count > 60


def test_only_the_argument_with_a_category_must_name_it() -> None:
    arguments = [KIND, ("other_kind", "Kind"), NAME]
    walks = shares(walker_of(), arguments, 500, kind="pub")
    assert {walk[0] for walk in walks} == {"pub", "pubs"}
    assert {walk[1] for walk in walks} == {"bar", "pub", "pubs"}


def test_neighbours_are_filtered_by_category_before_the_draw() -> None:
    nodes = [GraphNode("the", "Name", "Anchor"), *(GraphNode(f"k{i}", "Kind", f"kind {i}") for i in range(50))]
    nodes += [GraphNode("rare", "Kind", "inn", (), frozenset({"inn"}))]
    edges = [GraphEdge(node.id, "the", "named", 1000.0) for node in nodes[1:-1]]
    edges += [GraphEdge("rare", "the", "named", 0.001)]
    drawn = shares(walker_of(nodes, edges), [NAME, KIND], 50, kind="inn")
    assert drawn == {("the", "rare"): 50}


def test_nodes_with_functions_of_their_own_serve_these_only() -> None:
    walker = walker_of()
    assert {walker.walk([NAME], {}, "book", seed)[0][0].id for seed in range(50)} == {"anchor"}
    assert {walker.walk([KIND, NAME], {"kind": "pub"}, "rate", seed)[0][1].id for seed in range(50)} == {"crown"}


@pytest.mark.fault(42)
def test_a_dead_end_names_function_argument_type_and_category() -> None:
    walker = walker_of()
    for _ in range(2):
        message = dead_end(walker, [CITY, KIND], kind="café")
        assert message == "no walk serves function=book, argument=kind, category=café: no Kind node allows it"
    assert dead_end(walker, [("dish", "Dish")]).endswith("argument=dish: no Dish node allows it")
    # A node without categories names none.
    assert "no City node" in dead_end(walker, [CITY], city="pub")
    assert walker.walk([CITY], {"kind": "pub"}, "book", 0)


@pytest.mark.fault(42)
def test_an_empty_graph_is_a_dead_end() -> None:
    assert "no City node allows it" in dead_end(walker_of([], []), [CITY])
    assert walker_of([], []).walk([], {}, "book", 0) == ((), ())


@pytest.mark.parametrize(
    ("one", "other"),
    [("York", "New York"), ("new york", "YORK"), ("Straße", "STRASSE"), ("St. Louis", "st louis"), ("!!!", "!!!")],
)
def test_labels_that_hold_each_other_are_never_drawn_together(one: str, other: str) -> None:
    nodes = [GraphNode("c", "City", one), GraphNode("s", "State", other), GraphNode("t", "State", "Avon")]
    assert shares(walker_of(nodes, []), [CITY, STATE], 300) == {("c", "t"): 300}
    message = dead_end(walker_of(nodes[:2], []), [CITY, STATE])
    assert "argument=state: in 21 draws of a State node, each label was a part of another argument's" in message


def test_a_part_of_a_word_is_no_part_of_a_label() -> None:
    nodes = [GraphNode("c", "City", "York"), GraphNode("s", "State", "Yorkshire")]
    assert shares(walker_of(nodes, []), [CITY, STATE], 3) == {("c", "s"): 3}


def test_two_arguments_of_one_type_get_different_nodes() -> None:
    nodes = [GraphNode(name, "City", name) for name in ("Ulm", "Bonn", "Lima")]
    edges = [GraphEdge("Ulm", "Bonn", "near", 1.0), GraphEdge("Ulm", "Ulm", "near", 100.0)]
    walks = shares(walker_of(nodes, edges), [("from", "City"), ("to", "City")], 300)
    assert walks.keys() == {("Ulm", "Bonn"), ("Bonn", "Ulm"), ("Lima", "Ulm"), ("Lima", "Bonn")}


def test_extreme_weights_neither_overflow_nor_hide_a_node() -> None:
    nodes = [GraphNode("i", "City", "i"), *(GraphNode(s, "State", s, weight=1.7e308) for s in "xy")]
    nodes += [GraphNode("lone", "City", "lone")]
    edges = [GraphEdge("i", s, "in_state", 1.7e308) for s in "xy"] + [GraphEdge("lone", "y", "in_state", 5e-324)]
    drawn = shares(walker_of(nodes, edges), [CITY, STATE], 2000)
    assert drawn.keys() == {("i", "x"), ("i", "y"), ("lone", "y")}
    assert 900 < drawn["lone", "y"] < 1100
    assert 900 < shares(walker_of(nodes, edges), [STATE], 2000)[("x",)] < 1100


def test_the_same_seed_gives_the_same_walk_whatever_was_walked_before() -> None:
    arguments = [KIND, NAME, CITY, COUNTRY]
    one, other = walker_of(), walker_of()
    forward = [one.walk(arguments, {"kind": "pub"}, "book", seed) for seed in range(100)]
    other.walk([CITY, STATE], {}, "rate", 7)
    assert [other.walk(arguments, {"kind": "pub"}, "book", seed) for seed in reversed(range(100))] == forward[::-1]


def test_another_process_draws_the_same_walks(store_path: Path) -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", BUILD_AND_WALK, str(store_path)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    walker = walker_of()
    here = [walker.walk([KIND, NAME, CITY, COUNTRY], {"kind": "pub"}, "book", seed) for seed in range(50)]
    assert outputs == {f"{here}\n"}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[GraphNode], list[GraphEdge]]:
    names = st.frozensets(st.sampled_from(["p", "q"]), max_size=2)
    nodes = [
        GraphNode(
            f"{kind}{i}", kind, draw(st.sampled_from(["a", "A b", "b", "c d", "d"])), (), draw(names), draw(names)
        )
        for kind in ("City", "State", "Country")
        for i in range(draw(st.integers(0, 4)))
    ]
    edges = [
        GraphEdge(source.id, target.id, "to", draw(st.sampled_from([0.01, 1.0, 30.0])))
        for source in nodes
        for target in nodes
        if draw(st.integers(0, 3)) == 0
    ]
    return nodes, edges


@given(graph=graphs(), function=st.sampled_from("pq"), category=st.sampled_from(["p", "q", None]))
@settings(max_examples=100, deadline=None)
def test_every_walk_keeps_every_rule(
    graph: tuple[list[GraphNode], list[GraphEdge]], function: str, category: str | None
) -> None:
    nodes, edges = graph
    by_id = {node.id: node for node in nodes}
    walker = walker_of(nodes, edges)
    for seed in range(10):
        try:
            walked, hops = walker.walk(
                [CITY, STATE, COUNTRY], {} if category is None else {"state": category}, function, seed
            )
        except DeadEndError:
            continue
        found = [by_id[node.id] for node in walked]
        assert [node.type for node in found] == ["City", "State", "Country"]
        assert all(not node.functions or function in node.functions for node in found)
        assert category is None or category in found[1].categories
        labels = [f" {node.label.casefold()} " for node in found]
        assert not any(one in other for i, one in enumerate(labels) for j, other in enumerate(labels) if i != j)
        assert all(GraphEdge(hop.source, hop.target, hop.type, hop.weight) in edges for hop in hops)
        reached = {frozenset((hop.source, hop.target)) for hop in hops}
        for later, node in enumerate(found):
            # A node that no hop leads to has no earlier node with a neighbour that fits.
            if not any(frozenset((node.id, earlier.id)) in reached for earlier in found[:later]):
                fitting = {
                    other.id
                    for other in nodes
                    if other.type == node.type
                    and (not other.functions or function in other.functions)
                    and (later != 1 or category is None or category in other.categories)
                }
                joined = {frozenset((edge.source, edge.target)) for edge in edges}
                assert not any(frozenset((e.id, id_)) in joined for e in found[:later] for id_ in fitting)
