import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.pack import DomainPack, GraphEdge, GraphNode
from routenator.engine.errors import DomainError, RunError
from routenator.engine.kg.store import GraphStore, build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.sample import Hop

HOSTILE = (
    "a' OR 1=1",
    "X`) DETACH DELETE n //",
    '"; MATCH (n) DETACH DELETE n',
    "$source",
    "a\\",
    "\u202eday 🎂",
    "{{7*7}}",
)


TINY_PACK = Path(__file__).parents[2] / "packs" / "tiny"
BUILD_AND_WALK = """
import sys
from pathlib import Path
from routenator.engine.domain.loading import load_pack
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker

pack = load_pack(Path(sys.argv[1]))
walker = Walker(load_adjacency(build_graph(pack, Path(sys.argv[2]))), pack.spec.walk)
print([[node.id for node in walker.walk("search", "image", seed)[0]] for seed in range(50)])
"""


def test_the_graph_comes_back_as_the_pack_has_it(small_pack: DomainPack, tmp_path: Path) -> None:
    graph = load_adjacency(build_graph(small_pack, tmp_path))
    assert [(n.id, n.type, n.label) for n in graph.nodes] == [(n.id, n.type, n.label) for n in small_pack.nodes]
    assert graph.categories == tuple(node.categories for node in small_pack.nodes)
    assert graph.functions == tuple(node.functions for node in small_pack.nodes)
    assert graph.node_weights.tolist() == [node.weight for node in small_pack.nodes]
    edges = [
        GraphEdge(graph.nodes[source].id, graph.nodes[target].id, type_, weight)
        for source, target, type_, weight in zip(
            graph.sources, graph.targets, graph.edge_types, graph.weights.tolist(), strict=True
        )
    ]
    assert tuple(edges) == small_pack.edges


def test_a_hop_is_found_only_with_its_own_type_and_weight(small_pack: DomainPack, tmp_path: Path) -> None:
    with GraphStore(build_graph(small_pack, tmp_path)) as store:
        assert store.has_hop(Hop("i1", "NEEDS", "d1", 3.0))
        assert not store.has_hop(Hop("i1", "ASKS", "d1", 3.0))
        assert not store.has_hop(Hop("i1", "NEEDS", "d1", 3.5))
        assert not store.has_hop(Hop("d1", "NEEDS", "i1", 3.0))
        assert not store.has_hop(Hop("i1' OR 1=1 //", "NEEDS", "d1", 3.0))


def test_every_hop_of_a_walk_exists_in_the_database(small_pack: DomainPack, tmp_path: Path) -> None:
    path = build_graph(small_pack, tmp_path)
    walker = Walker(load_adjacency(path), small_pack.spec.walk)
    with GraphStore(path) as store:
        for seed in range(20):
            _, hops = walker.walk("search", "image", seed)
            assert len(hops) == 2
            assert all(store.has_hop(hop) for hop in hops)


def test_the_database_is_built_once(small_pack: DomainPack, tmp_path: Path) -> None:
    path = build_graph(small_pack, tmp_path / "new" / "cache")
    before = path.stat()
    assert build_graph(small_pack, tmp_path / "new" / "cache") == path
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(path.parent.iterdir()) == [path]


def test_another_digest_gets_another_database(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    assert build_graph(make_pack(digest="a" * 64), tmp_path) != build_graph(make_pack(digest="b" * 64), tmp_path)


@pytest.mark.parametrize("damage", [b"", b"not a database", None])
def test_a_damaged_database_is_built_again(small_pack: DomainPack, tmp_path: Path, damage: bytes | None) -> None:
    path = build_graph(small_pack, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    again = build_graph(small_pack, tmp_path)
    assert len(load_adjacency(again).nodes) == len(small_pack.nodes)
    assert len(list(tmp_path.iterdir())) == 1


def test_processes_that_build_at_once_draw_the_same_walks(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILD_AND_WALK, str(TINY_PACK), str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    assert outputs[0].count("[") == 51
    assert len(set(outputs)) == 1
    assert not list(tmp_path.glob(".building-*"))


def test_hostile_ids_and_labels_are_stored_as_they_are(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    nodes = [
        GraphNode(f"{kind}{text}", kind, text, (text,)) for kind in ("Intent", "Design", "Action") for text in HOSTILE
    ]
    edges = [
        GraphEdge(f"{a}{text}", f"{b}{text}", name, 1.0)
        for name, a, b in (("NEEDS", "Intent", "Design"), ("ASKS", "Design", "Action"))
        for text in HOSTILE
    ]
    path = build_graph(make_pack(nodes, edges), tmp_path)
    graph = load_adjacency(path)
    assert [(n.id, n.label) for n in graph.nodes] == [(n.id, n.label) for n in nodes]
    with GraphStore(path) as store:
        assert all(store.has_hop(Hop(e.source, e.type, e.target, e.weight)) for e in edges)


@pytest.mark.parametrize("name", ["X`) DETACH DELETE", "a' OR 1=1", "", "1st", "A\n", "Größe"])
def test_a_type_that_is_no_identifier_never_reaches_a_statement(
    make_pack: Callable[..., DomainPack], tmp_path: Path, name: str
) -> None:
    pack = make_pack([GraphNode("x", name, "x")], walk=(name, "Action"), edge_types=[("ASKS", name, "Action")])
    with pytest.raises(DomainError, match="cannot name a node type"):
        build_graph(pack, tmp_path)
    assert not list(tmp_path.iterdir())


def test_types_that_differ_only_in_capitals_are_a_fault(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    pack = make_pack(walk=("Show", "Action"), edge_types=[("SHOW", "Show", "Action")])
    with pytest.raises(DomainError, match="the same name but for capitals"):
        build_graph(pack, tmp_path)


def test_types_may_be_words_of_the_query_language(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    pack = make_pack(
        [GraphNode("x", "Match", "x"), GraphNode("y", "Node", "y")],
        [GraphEdge("x", "y", "RETURN", 1.0)],
        walk=("Match", "Node"),
        edge_types=[("RETURN", "Match", "Node")],
    )
    assert load_adjacency(build_graph(pack, tmp_path)).edge_types == ("RETURN",)


def test_a_graph_without_nodes_or_edges_is_stored(make_pack: Callable[..., DomainPack], tmp_path: Path) -> None:
    graph = load_adjacency(build_graph(make_pack(), tmp_path))
    assert graph.nodes == ()
    assert len(graph.weights) == 0


@pytest.mark.parametrize("content", [None, b"not a database"])
def test_a_database_that_cannot_be_opened_says_which(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "graph.kuzu"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"graph\.kuzu"):
        load_adjacency(path)


def test_a_cache_that_cannot_be_written_is_an_error_with_a_hint(small_pack: DomainPack, tmp_path: Path) -> None:
    blocker = tmp_path / "cache"
    blocker.write_text("a file where the folder should be")
    with pytest.raises(RunError, match="cannot be written"):
        build_graph(small_pack, blocker)
