"""Prints random walks of the built pack as the engine draws them, for reading.

python scripts/design_pack/walks.py search template 50           # walks
python scripts/design_pack/walks.py search template 50 --images  # and the drawn item that each would show
"""

from __future__ import annotations

import sys

import numpy as np

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.content import ContentIndex
from routenator.engine.kg.walker import Walker
from routenator.engine.sample import NodeRef


def adjacency_of(pack: DomainPack) -> Adjacency:
    """The pack's graph in arrays, without the database between."""
    position = {node.id: i for i, node in enumerate(pack.nodes)}
    return Adjacency(
        tuple(NodeRef(node.id, node.type, node.label) for node in pack.nodes),
        tuple(node.categories for node in pack.nodes),
        tuple(node.functions for node in pack.nodes),
        np.array([node.weight for node in pack.nodes]),
        np.array([position[edge.source] for edge in pack.edges]),
        np.array([position[edge.target] for edge in pack.edges]),
        np.array([edge.weight for edge in pack.edges]),
        tuple(edge.type for edge in pack.edges),
    )


def main() -> None:
    """Print walks of one stratum."""
    function, category, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    pack = load_pack("design")
    walker, content = Walker(adjacency_of(pack), pack.spec.walk), ContentIndex(pack)
    for seed in range(count):
        nodes, _ = walker.walk(function, category, seed)
        line = " → ".join(node.label for node in nodes)
        item = content.pick(nodes, category, "en", seed, "--images" in sys.argv)
        sys.stdout.write(f"{line}   [{item.title if item else 'nothing'}]\n")


if __name__ == "__main__":
    main()
