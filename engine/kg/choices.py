"""The nodes that one argument may visit, and the edges that lead to them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.weighted_rows import WeightedRows


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The edges between one node type and the nodes that fit, by the former's nodes, in whichever direction they run.

    Attributes:
        rows: Row ``i`` is that of the type's node of rank ``i``.
        nodes: (entries,); position of the node that fits.
        edges: (entries,); position of the edge.
    """

    rows: WeightedRows
    nodes: array[int]
    edges: array[int]


@dataclass(frozen=True, slots=True)
class Choices:
    """The nodes of one type that fit a function and a category.

    Attributes:
        rows: One row, weighted by the nodes' own weights.
        nodes: (entries,); their positions.
        neighbours: Node type → what its nodes are joined to; every type that any edge joins with this one.
    """

    rows: WeightedRows
    nodes: array[int]
    neighbours: dict[str, Neighbours]


class ChoiceTable:
    """Sorts the graph by node type once, and prepares choices from it."""

    def __init__(self, graph: Adjacency) -> None:
        """Number the nodes of each type; ``ranks`` holds each node's number among those of its type."""
        self._graph = graph
        self._members: dict[str, list[int]] = {}
        self.ranks: list[int] = []
        for position, node in enumerate(graph.nodes):
            members = self._members.setdefault(node.type, [])
            self.ranks.append(len(members))
            members.append(position)
        self._limited = {node.type for node, own in zip(graph.nodes, graph.functions, strict=True) if own}
        self._ends = np.concatenate((graph.sources, graph.targets)), np.concatenate((graph.targets, graph.sources))
        numbers = {name: number for number, name in enumerate(self._members)}
        type_of = np.array([numbers[node.type] for node in graph.nodes], dtype=np.int64)
        # An edge between two nodes of one type counts for both, a loop for none: it leads to no other label.
        pairs = np.stack([type_of[end] for end in self._ends], axis=1)
        pairs[self._ends[0] == self._ends[1]] = -1
        names = list(self._members)
        self._joined: dict[str, dict[str, NDArray[np.int64]]] = {name: {} for name in names}
        for start, end in np.unique(pairs, axis=0).tolist():
            if start >= 0:
                entries = np.flatnonzero((pairs[:, 0] == start) & (pairs[:, 1] == end))
                self._joined[names[end]][names[start]] = entries
        self._prepared: dict[tuple[str, str | None, str | None], Choices] = {}

    def choose(self, node_type: str, function: str, category: str | None) -> Choices:
        """The nodes of a type that allow the function and, if one is given, name the category."""
        key = (node_type, function if node_type in self._limited else None, category)
        choices = self._prepared.get(key)
        if choices is None:
            choices = self._prepared[key] = self._prepare(node_type, function, category)
        return choices

    def _prepare(self, node_type: str, function: str, category: str | None) -> Choices:
        graph = self._graph
        nodes = np.array(
            [
                node
                for node in self._members.get(node_type, ())
                if (not graph.functions[node] or function in graph.functions[node])
                and (category is None or category in graph.categories[node])
            ],
            dtype=np.int64,
        )
        fits = np.zeros(len(graph.nodes), dtype=bool)
        fits[nodes] = True
        return Choices(
            WeightedRows(np.zeros_like(nodes), graph.node_weights[nodes], 1),
            array("q", nodes.tobytes()),
            {
                other: self._sort_neighbours(other, entries, fits)
                for other, entries in self._joined.get(node_type, {}).items()
            },
        )

    def _sort_neighbours(self, other: str, entries: NDArray[np.int64], fits: NDArray[np.bool_]) -> Neighbours:
        starts, ends = self._ends
        entries = entries[fits[ends[entries]]]
        members = np.array(self._members[other], dtype=np.int64)
        ranks = np.searchsorted(members, starts[entries])
        order = np.argsort(ranks, kind="stable")
        entries = entries[order]
        edges = entries % max(len(self._graph.weights), 1)
        return Neighbours(
            WeightedRows(ranks[order], self._graph.weights[edges], len(members)),
            array("q", ends[entries].tobytes()),
            array("q", edges.astype(np.int64).tobytes()),
        )
