"""The knowledge graph in arrays, as walks read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.sample import NodeRef


@dataclass(frozen=True, eq=False)
class Adjacency:
    """Every node and edge of a graph, in the pack's order.

    Attributes:
        nodes: The nodes; the other fields number them by position.
        categories: For each node, what a walk through it can be labelled with; empty: any.
        functions: The same for functions.
        node_weights: float64, (nodes,); above zero; a node's weight where no edge leads to it.
        sources: int64, (edges,); position of the edge's source.
        targets: int64, (edges,); position of the edge's target.
        weights: float64, (edges,); above zero.
        edge_types: For each edge, its type.
    """

    nodes: tuple[NodeRef, ...]
    categories: tuple[frozenset[str], ...]
    functions: tuple[frozenset[str], ...]
    node_weights: NDArray[np.float64]
    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]
    edge_types: tuple[str, ...]
