"""Walks through the knowledge graph that visit one node for each argument of a sample."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence

from routenator.engine.display import show
from routenator.engine.errors import DeadEndError
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.choices import Choices, ChoiceTable
from routenator.engine.kg.splitmix import SplitMix64
from routenator.engine.kg.walker import Walk
from routenator.engine.sample import Hop, NodeRef

_WORD = re.compile(r"\w+")
_REDRAWS = 20


class ArgumentWalker:
    """Draws the nodes whose labels are a sample's arguments.

    Arguments are drawn in order. Where edges join the type of an earlier node with the argument's type, in whichever
    direction, the node is drawn among the neighbours of the latest such node, in proportion to the edges' weights, so
    that a state is the state of its city. Where that one has no neighbour that fits, an earlier one serves, and without
    any the node is drawn freely, in proportion to its own weight.

    Draws do not depend on the process. Not for several threads at once.
    """

    def __init__(self, adjacency: Adjacency) -> None:
        """Sort nodes and edges by type."""
        self._graph = adjacency
        self._table = ChoiceTable(adjacency)
        self._phrases = [_phrase(node.label) for node in adjacency.nodes]
        self._weights = array("d", adjacency.weights.tobytes())

    def walk(self, arguments: Sequence[tuple[str, str]], category: Mapping[str, str], function: str, seed: int) -> Walk:
        """Draw one walk.

        Every label must stand in the query exactly once: none is another's, or a part of it in whole words, capitals
        and punctuation aside.

        Args:
            arguments: Name and node type of each argument that is present, in the order of declaration.
            category: Argument → category that its node must name.
            function: Every node with functions of its own names this one.
            seed: The same seed and graph give the same walk.

        Returns:
            A node for each argument, in order, and the edges that led to some of them, as they stand in the graph.

        Raises:
            DeadEndError: No node fits an argument, or none was found whose label goes with the earlier ones.
        """
        graph, stream = self._graph, SplitMix64(seed)
        drawn: list[int] = []
        nodes: list[NodeRef] = []
        hops: list[Hop] = []
        for argument, node_type in arguments:
            wanted = category.get(argument)
            choices = self._table.choose(node_type, function, wanted)
            found = self._draw(choices, drawn, stream) if choices.nodes else None
            if found is None:
                raise DeadEndError(_explain(function, argument, node_type, wanted, bool(choices.nodes)))
            position, edge = found
            drawn.append(position)
            node = graph.nodes[position]
            nodes.append(NodeRef(node.id, node_type, node.label, argument))
            if edge is not None:
                source, target = graph.nodes[graph.sources[edge]], graph.nodes[graph.targets[edge]]
                hops.append(Hop(source.id, graph.edge_types[edge], target.id, self._weights[edge]))
        return tuple(nodes), tuple(hops)

    def _draw(self, choices: Choices, drawn: list[int], stream: SplitMix64) -> tuple[int, int | None] | None:
        """Position of a node that goes with the drawn ones, and of the edge to it, if one led there."""
        rows, row, nodes, edges = choices.rows, 0, choices.nodes, None
        for earlier in reversed(drawn):
            neighbours = choices.neighbours.get(self._graph.nodes[earlier].type)
            rank = self._table.ranks[earlier]
            if neighbours is not None and not neighbours.rows.is_empty(rank):
                rows, row, nodes, edges = neighbours.rows, rank, neighbours.nodes, neighbours.edges
                break
        for _ in range(_REDRAWS + 1):
            entry = rows.draw(row, stream)
            if not self._clashes(nodes[entry], drawn):
                return nodes[entry], None if edges is None else edges[entry]
        return None

    def _clashes(self, node: int, drawn: list[int]) -> bool:
        phrase = self._phrases[node]
        return any(phrase in self._phrases[other] or self._phrases[other] in phrase for other in drawn)


def _phrase(label: str) -> str:
    """The label's words between spaces, so that a part of the text is a part in whole words."""
    folded = label.casefold()
    return f" {' '.join(_WORD.findall(folded)) or folded} "


def _explain(function: str, argument: str, node_type: str, category: str | None, fits: bool) -> str:
    stratum = f"function={show(function)}, argument={show(argument)}"
    stratum += "" if category is None else f", category={show(category)}"
    if fits:
        drawn = f"{_REDRAWS + 1} draws of a {show(node_type)} node"
        return f"no walk serves {stratum}: in {drawn}, each label was a part of another argument's, or held it"
    return f"no walk serves {stratum}: no {show(node_type)} node allows it"
