from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from routenator.engine.domain.pack import (
    Argument,
    Category,
    ContentItem,
    DomainPack,
    DomainSpec,
    EdgeType,
    GraphEdge,
    GraphNode,
)
from routenator.engine.routing.targets import Targets

WALK = ("Intent", "Design", "Action")
EDGE_TYPES = (("NEEDS", "Intent", "Design"), ("ASKS", "Design", "Action"))


def build_pack(
    nodes: Sequence[GraphNode] = (),
    edges: Sequence[GraphEdge] = (),
    content: Sequence[ContentItem] = (),
    *,
    walk: tuple[str, ...] = WALK,
    edge_types: Sequence[tuple[str, str, str]] = EDGE_TYPES,
    digest: str = "d" * 64,
) -> DomainPack:
    # model_construct: some tests need names that the pack's loader would refuse.
    spec = DomainSpec.model_construct(
        name="small",
        version="1",
        description="For tests.",
        license="none",
        languages=("en",),
        arguments={
            name: {"content_type": Argument(kind="category"), "prompt": Argument(kind="text")}
            for name in ("search", "generate")
        },
        walk=walk,
        edge_types=tuple(EdgeType.model_construct(name=n, source=a, target=b) for n, a, b in edge_types),
        categories={"image": Category(description="A picture.", keywords={"en": ("image",)})},
    )
    targets = Targets.model_construct(tables=())
    return DomainPack(Path("small"), spec, (), tuple(nodes), tuple(edges), tuple(content), targets, digest)


def build_small_pack() -> DomainPack:
    """Two intents, four designs, two actions; the last design serves icons only."""
    nodes = [
        GraphNode("i1", "Intent", "celebrate"),
        GraphNode("i2", "Intent", "sell"),
        GraphNode("d1", "Design", "card", ("greeting",), frozenset({"image", "template"})),
        GraphNode("d2", "Design", "poster", weight=2.5),
        GraphNode("d3", "Design", "banner", (), frozenset({"image"}), frozenset({"search"})),
        GraphNode("d4", "Design", "glyph", (), frozenset({"icon"})),
        GraphNode("a1", "Action", "find it", (), frozenset(), frozenset({"search"})),
        GraphNode("a2", "Action", "make it", (), frozenset(), frozenset({"generate"})),
    ]
    edges = [
        GraphEdge("i1", "d1", "NEEDS", 3.0),
        GraphEdge("i1", "d2", "NEEDS", 1.0),
        GraphEdge("i1", "d3", "NEEDS", 2.0),
        GraphEdge("i1", "d4", "NEEDS", 5.0),
        GraphEdge("i2", "d4", "NEEDS", 1.0),
        GraphEdge("i2", "d2", "NEEDS", 4.0),
        GraphEdge("d1", "a1", "ASKS", 0.5),
        GraphEdge("d1", "a2", "ASKS", 2.0),
        GraphEdge("d2", "a1", "ASKS", 1.5),
        GraphEdge("d3", "a1", "ASKS", 1.0),
        GraphEdge("d4", "a1", "ASKS", 1.0),
    ]
    return build_pack(nodes, edges)


@pytest.fixture
def make_pack() -> Callable[..., DomainPack]:
    return build_pack


@pytest.fixture
def small_pack() -> DomainPack:
    return build_small_pack()
