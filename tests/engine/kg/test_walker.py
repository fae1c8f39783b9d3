from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.domain.pack import DomainPack, GraphEdge, GraphNode
from routenator.engine.errors import DeadEndError
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.sample import NodeRef


def adjacency_of(pack: DomainPack) -> Adjacency:
    position = {node.id: i for i, node in enumerate(pack.nodes)}
    return Adjacency(
        nodes=tuple(NodeRef(node.id, node.type, node.label) for node in pack.nodes),
        categories=tuple(node.categories for node in pack.nodes),
        functions=tuple(node.functions for node in pack.nodes),
        node_weights=np.array([node.weight for node in pack.nodes], dtype=np.float64),
        sources=np.array([position[edge.source] for edge in pack.edges], dtype=np.int64),
        targets=np.array([position[edge.target] for edge in pack.edges], dtype=np.int64),
        weights=np.array([edge.weight for edge in pack.edges], dtype=np.float64),
        edge_types=tuple(edge.type for edge in pack.edges),
    )


def walker_of(pack: DomainPack) -> Walker:
    return Walker(adjacency_of(pack), pack.spec.walk)


def allows(node: GraphNode, function: str, category: str) -> bool:
    return (not node.functions or function in node.functions) and (not node.categories or category in node.categories)


def every_walk(pack: DomainPack, function: str, category: str) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every walk that serves the stratum with its weight, by brute force."""
    nodes = pack.nodes_by_id

    def extend(path: tuple[str, ...], weight: float) -> Iterator[tuple[tuple[str, ...], float]]:
        if len(path) == len(pack.spec.walk):
            yield path, weight
            return
        for edge in pack.edges:
            target = nodes[edge.target]
            if (
                edge.source == path[-1]
                and target.type == pack.spec.walk[len(path)]
                and allows(target, function, category)
            ):
                yield from extend((*path, edge.target), weight * edge.weight)

    for node in pack.nodes:
        if node.type == pack.spec.walk[0] and allows(node, function, category):
            yield from extend((node.id,), 1.0)


def exact_distribution(pack: DomainPack, function: str, category: str) -> dict[tuple[str, ...], float]:
    """Start uniform over the nodes that can finish; the rest in proportion to the walk's weight."""
    walks = list(every_walk(pack, function, category))
    mass: Counter[str] = Counter()
    for path, weight in walks:
        mass[path[0]] += weight  # type: ignore[assignment]
    shares: Counter[tuple[str, ...]] = Counter()
    for path, weight in walks:
        shares[path] += weight / mass[path[0]] / len(mass)  # type: ignore[assignment]
    return dict(shares)


def test_walks_have_exactly_the_conditional_distribution(small_pack: DomainPack) -> None:
    walker = walker_of(small_pack)
    exact = exact_distribution(small_pack, "search", "image")
    assert len(exact) == 4
    count = 20_000
    drawn = Counter(tuple(n.id for n in walker.walk("search", "image", seed)[0]) for seed in range(count))
    assert drawn.keys() == exact.keys()
    # 3 degrees of freedom, 99.9th percentile.
    assert sum((drawn[w] - count * p) ** 2 / (count * p) for w, p in exact.items()) < 16.3


@pytest.mark.parametrize(
    ("function", "category", "designs"),
    [
        ("search", "image", {"d1", "d2", "d3"}),
        ("search", "template", {"d1", "d2"}),
        ("search", "icon", {"d2", "d4"}),
        ("generate", "image", {"d1"}),
    ],
)
def test_every_node_of_a_walk_allows_the_stratum(
    small_pack: DomainPack, function: str, category: str, designs: set[str]
) -> None:
    walker = walker_of(small_pack)
    walks = [walker.walk(function, category, seed)[0] for seed in range(300)]
    assert {nodes[1].id for nodes in walks} == designs
    assert all(tuple(node.type for node in nodes) == small_pack.spec.walk for nodes in walks)
    assert {nodes[2].id for nodes in walks} == {"a1" if function == "search" else "a2"}


def test_hops_join_the_nodes_by_edges_of_the_pack(small_pack: DomainPack) -> None:
    edges = set(small_pack.edges)
    nodes, hops = walker_of(small_pack).walk("search", "image", 5)
    for (source, target), hop in zip(pairwise(nodes), hops, strict=True):
        assert (hop.source, hop.target) == (source.id, target.id)
        assert GraphEdge(hop.source, hop.target, hop.type, hop.weight) in edges


def test_the_same_seed_gives_the_same_walk_whatever_was_walked_before(small_pack: DomainPack) -> None:
    one, other = walker_of(small_pack), walker_of(small_pack)
    forward = [one.walk("search", "image", seed) for seed in range(100)]
    other.walk("generate", "image", 7)
    assert [other.walk("search", "image", seed) for seed in reversed(range(100))] == forward[::-1]


def test_parallel_edges_of_different_types_are_different_hops(make_pack: Callable[..., DomainPack]) -> None:
    pack = make_pack(
        [GraphNode("i", "Intent", "i"), GraphNode("d", "Design", "d")],
        [GraphEdge("i", "d", "NEEDS", 1.0), GraphEdge("i", "d", "LIKES", 3.0)],
        walk=("Intent", "Design"),
        edge_types=[("NEEDS", "Intent", "Design"), ("LIKES", "Intent", "Design")],
    )
    drawn = Counter(walker_of(pack).walk("f", "c", seed)[1][0].type for seed in range(2000))
    assert 1400 < drawn["LIKES"] < 1600


def dead_end(pack: DomainPack, function: str = "search", category: str = "image") -> str:
    with pytest.raises(DeadEndError) as caught:
        walker_of(pack).walk(function, category, 0)
    return caught.value.what


@pytest.mark.fault(42)
def test_a_dead_end_names_the_stratum_and_where_the_walk_ends(make_pack: Callable[..., DomainPack]) -> None:
    nodes = [
        GraphNode("i", "Intent", "i"),
        GraphNode("d", "Design", "d"),
        GraphNode("a", "Action", "a", (), frozenset(), frozenset({"generate"})),
    ]
    edges = [GraphEdge("i", "d", "NEEDS", 1.0), GraphEdge("d", "a", "ASKS", 1.0)]
    message = dead_end(make_pack(nodes, edges))
    assert "function=search, category=image" in message
    assert "from the only Design node it can reach, no edge leads to a node of type Action that" in message
    assert "no edge leads to a node of type Design" in dead_end(make_pack(nodes, edges[1:]))
    assert "no Intent node allows it" in dead_end(make_pack(nodes[1:], edges[1:]))


def test_a_dead_end_is_found_again_on_the_second_call(small_pack: DomainPack) -> None:
    walker = walker_of(small_pack)
    for _ in range(2):
        with pytest.raises(DeadEndError):
            walker.walk("generate", "icon", 0)
    assert walker.walk("search", "icon", 0)


@pytest.mark.fault(42)
def test_an_empty_graph_is_a_dead_end(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    pack = make_pack()
    assert "no Intent node allows it" in dead_end(pack)
    with pytest.raises(DeadEndError):
        Walker(load_adjacency(build_graph(pack, tmp_path)), pack.spec.walk).walk("search", "image", 0)


@pytest.mark.fault(42)
def test_walks_through_a_cycle_are_bounded(make_pack: Callable[..., DomainPack]) -> None:
    # A and B point at each other and a type repeats in the walk: its length is the walk's, not the cycle's.
    pack = make_pack(
        [GraphNode("a", "A", "a"), GraphNode("b", "B", "b")],
        [GraphEdge("a", "b", "TO", 1.0), GraphEdge("b", "a", "BACK", 1.0)],
        walk=("A", "B", "A", "B"),
        edge_types=[("TO", "A", "B"), ("BACK", "B", "A")],
    )
    nodes, hops = walker_of(pack).walk("f", "c", 1)
    assert [node.id for node in nodes] == ["a", "b", "a", "b"]
    assert len(hops) == 3


def test_extreme_weights_neither_overflow_nor_hide_a_way(make_pack: Callable[..., DomainPack]) -> None:
    nodes = [GraphNode("i", "Intent", "i"), *(GraphNode(d, "Design", d) for d in "xy"), GraphNode("a", "Action", "a")]
    nodes += [GraphNode("lone", "Intent", "lone")]
    edges = [
        GraphEdge("i", "x", "NEEDS", 1.7e308),
        GraphEdge("i", "y", "NEEDS", 1.7e308),
        GraphEdge("lone", "y", "NEEDS", 5e-324),
        *(GraphEdge(d, "a", "ASKS", 1.7e308) for d in "xy"),
    ]
    walker = walker_of(make_pack(nodes, edges))
    drawn = Counter(tuple(node.id for node in walker.walk("f", "c", seed)[0]) for seed in range(2000))
    assert drawn.keys() == {("i", "x", "a"), ("i", "y", "a"), ("lone", "y", "a")}
    assert 850 < drawn["lone", "y", "a"] < 1150


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[GraphNode], list[GraphEdge]]:
    names = st.frozensets(st.sampled_from(["p", "q"]), max_size=2)
    layers = {
        kind: [
            GraphNode(f"{kind}{i}", kind, kind, (), draw(names), draw(names)) for i in range(draw(st.integers(0, 4)))
        ]
        for kind in ("Intent", "Design", "Action")
    }
    edges = [
        GraphEdge(source.id, target.id, name, draw(st.sampled_from([0.01, 1.0, 30.0])))
        for name, a, b in (("NEEDS", "Intent", "Design"), ("ASKS", "Design", "Action"))
        for source in layers[a]
        for target in layers[b]
        if draw(st.booleans())
    ]
    return [node for nodes in layers.values() for node in nodes], edges


@given(graph=graphs())
@settings(max_examples=80, deadline=None)
def test_a_walk_is_found_exactly_where_one_exists(graph: tuple[list[GraphNode], list[GraphEdge]]) -> None:
    nodes, edges = graph
    by_id = {node.id: node for node in nodes}
    kinds = ("Intent", "Design", "Action")
    index = {node.id: i for i, node in enumerate(nodes)}
    adjacency = Adjacency(
        nodes=tuple(NodeRef(node.id, node.type, node.label) for node in nodes),
        categories=tuple(node.categories for node in nodes),
        functions=tuple(node.functions for node in nodes),
        node_weights=np.ones(len(nodes)),
        sources=np.array([index[edge.source] for edge in edges], dtype=np.int64),
        targets=np.array([index[edge.target] for edge in edges], dtype=np.int64),
        weights=np.array([edge.weight for edge in edges], dtype=np.float64),
        edge_types=tuple(edge.type for edge in edges),
    )
    walker = Walker(adjacency, kinds)
    for function in "pq":
        for category in "pq":
            exists = any(
                first.target == second.source
                and all(allows(by_id[i], function, category) for i in (first.source, first.target, second.target))
                for first in edges
                for second in edges
            )
            if exists:
                for seed in range(5):
                    walked, hops = walker.walk(function, category, seed)
                    assert tuple(node.type for node in walked) == kinds
                    assert all(allows(by_id[node.id], function, category) for node in walked)
                    assert all(GraphEdge(h.source, h.target, h.type, h.weight) in edges for h in hops)
            else:
                with pytest.raises(DeadEndError):
                    walker.walk(function, category, 0)
