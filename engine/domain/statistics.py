"""What a pack holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from routenator.engine.domain.pack import DomainPack
from routenator.engine.routing.fitting import fit_targets


@dataclass(frozen=True, slots=True)
class PackStatistics:
    """Counts and shares of a pack.

    Attributes:
        nodes: Node type → nodes, in walk order.
        edges: Edge type → edges.
        content: Category → content items.
        images: Different images that content items name.
        targets: Axis → value → share of all rows, from the fitted tables.
    """

    name: str
    version: str
    languages: tuple[str, ...]
    functions: tuple[str, ...]
    nodes: dict[str, int]
    edges: dict[str, int]
    content: dict[str, int]
    images: int
    image_megabytes: float
    targets: dict[str, dict[str, float]]
    digest: str


def describe_pack(pack: DomainPack) -> PackStatistics:
    """Count a pack's parts."""
    nodes = Counter(node.type for node in pack.nodes)
    edges = Counter(edge.type for edge in pack.edges)
    content = Counter(item.type for item in pack.content)
    images = {item.image for item in pack.content if item.image is not None}
    return PackStatistics(
        name=pack.spec.name,
        version=pack.spec.version,
        languages=pack.spec.languages,
        functions=tuple(function.name for function in pack.functions),
        nodes={node_type: nodes[node_type] for node_type in pack.spec.node_types},
        edges={edge_type.name: edges[edge_type.name] for edge_type in pack.spec.edge_types},
        content={category: content[category] for category in pack.spec.categories},
        images=len(images),
        image_megabytes=sum(pack.image_path(image).stat().st_size for image in images) / 1e6,
        targets={axis: table.marginal(axis) for table in fit_targets(pack.targets) for axis in table.axes},
        digest=pack.digest,
    )
