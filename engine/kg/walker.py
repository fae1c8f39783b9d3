"""Walks through the knowledge graph that end where the stratum's function and category are valid."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.display import show
from routenator.engine.errors import DeadEndError
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.kg.splitmix import SplitMix64
from routenator.engine.sample import Hop, NodeRef

_CACHED_EDGES = 8_000_000  # of prepared strata, about 12 bytes each
_TINY = 1e-300

Walk = tuple[tuple[NodeRef, ...], tuple[Hop, ...]]


class Walker:
    """Draws walks over fixed node types, conditioned on a function and a category.

    The walk is a first-order chain: an edge is drawn in proportion to its weight times the future mass of its target,
    which is the total weight of all ways to go on from there through nodes that allow the stratum. So no draw leads
    into a dead end, and every way to go on keeps exactly the share that its weights give it. The first node is drawn
    uniformly from those with a way to the end: intents differ in how many edges they have, and the dataset should not
    be about the best connected one.

    Draws do not depend on the process. Not for several threads at once.
    """

    def __init__(self, adjacency: Adjacency, node_types: tuple[str, ...]) -> None:
        """Sort the edges by step.

        Args:
            adjacency: The whole graph.
            node_types: Types in the order of a walk (``DomainSpec.walk``); a walk has one node of each.
        """
        self._graph = adjacency
        self._node_types = node_types
        type_of = np.array([node.type for node in adjacency.nodes], dtype=object)
        self._is_type = [type_of == name for name in node_types]
        self._steps = [
            _sort_step(adjacency, is_source, is_target)
            for is_source, is_target in zip(self._is_type, self._is_type[1:], strict=False)
        ]
        self._of_category = _Masks(adjacency.categories)
        self._of_function = _Masks(adjacency.functions)
        self._targets = array("q", adjacency.targets.tobytes())
        self._weights = array("d", adjacency.weights.tobytes())
        self._prepared: OrderedDict[tuple[str, str], _Chain | str] = OrderedDict()
        self._capacity = max(4, _CACHED_EDGES // max(len(adjacency.weights), 1))

    def walk(self, function: str, category: str, seed: int) -> Walk:
        """Draw one walk.

        Args:
            function: Every node with functions of its own names this one.
            category: Every node with categories of its own names this one.
            seed: The same seed and graph give the same walk.

        Returns:
            Nodes in the order of the node types, and the edges between them.

        Raises:
            DeadEndError: No walk serves the stratum.
        """
        chain = self._chain(function, category)
        stream = SplitMix64(seed)
        graph = self._graph
        here = chain.starts[int(stream.draw() * len(chain.starts))]
        nodes = [graph.nodes[here]]
        hops = []
        for step in chain.steps:
            first, end = step.offsets[here], step.offsets[here + 1]
            low = step.cumulative[first - 1] if first else 0.0
            point = low + stream.draw() * (step.cumulative[end - 1] - low)
            # Rounding may put the point on the upper end, which belongs to the next node's edges.
            edge = step.edges[min(bisect_right(step.cumulative, point, first, end), end - 1)]
            here = self._targets[edge]
            node = graph.nodes[here]
            hops.append(Hop(nodes[-1].id, graph.edge_types[edge], node.id, self._weights[edge]))
            nodes.append(node)
        return tuple(nodes), tuple(hops)

    def _chain(self, function: str, category: str) -> _Chain:
        key = (function, category)
        chain = self._prepared.get(key)
        if chain is None:
            chain = self._prepare(function, category)
            self._prepared[key] = chain
            if len(self._prepared) > self._capacity:
                self._prepared.popitem(last=False)
        else:
            self._prepared.move_to_end(key)
        if isinstance(chain, str):
            raise DeadEndError(chain)
        return chain

    def _prepare(self, function: str, category: str) -> _Chain | str:
        """Pass the future masses backward and keep the edges that lead to the end; else say where walks end."""
        allowed = self._of_function.allow(function) & self._of_category.allow(category)
        future = np.where(self._is_type[-1] & allowed, 1.0, 0.0)
        steps: list[_ChainStep] = []
        for step in reversed(self._steps):
            leads_on = (future[step.targets] > 0) & allowed[step.sources]
            sources, edges = step.sources[leads_on], step.edges[leads_on]
            mass = np.maximum(step.weights[leads_on] * future[step.targets[leads_on]], _TINY)
            future = np.bincount(sources, mass, minlength=len(allowed)).astype(np.float64, copy=False)
            steps.append(_chain_step(sources, edges, mass / future[sources], len(allowed)))
            # Only ratios matter, and products along a walk must not overflow.
            future = future / max(float(future.max(initial=0.0)), _TINY)
            future[sources] = np.maximum(future[sources], _TINY)
        starts = array("q", np.flatnonzero(future > 0).astype(np.int64).tobytes())
        if not starts:
            return self._explain(function, category, allowed)
        return _Chain(starts, tuple(reversed(steps)))

    def _explain(self, function: str, category: str, allowed: NDArray[np.bool_]) -> str:
        stratum = f"function={show(function)}, category={show(category)}"
        reached = self._is_type[0] & allowed
        if not reached.any():
            return f"no walk serves {stratum}: no {self._node_types[0]} node allows it"
        for step, previous, name in zip(self._steps, self._node_types, self._node_types[1:], strict=False):
            onward = np.zeros_like(allowed)
            onward[step.targets[reached[step.sources]]] = True
            onward &= allowed
            if not onward.any():
                count = int(reached.sum())
                nodes = f"the {count:,} {previous} nodes" if count > 1 else f"the only {previous} node"
                wanted = f"a node of type {name} that allows it"
                return f"no walk serves {stratum}: from {nodes} it can reach, no edge leads to {wanted}"
            reached = onward
        return f"no walk serves {stratum}"


@dataclass(frozen=True, slots=True)
class _Step:
    """The edges of one step, sorted by source. ``weights`` are scaled to at most 1."""

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]
    edges: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _ChainStep:
    """One step of a stratum's chain: the edges of node ``i`` are ``edges[offsets[i]:offsets[i + 1]]``.

    ``cumulative`` runs over all of them; each node's edges add 1.
    """

    offsets: array[int]
    edges: array[int]
    cumulative: array[float]


@dataclass(frozen=True, slots=True)
class _Chain:
    starts: array[int]
    steps: tuple[_ChainStep, ...]


class _Masks:
    """For each name, which nodes allow it."""

    def __init__(self, names: tuple[frozenset[str], ...]) -> None:
        self._any = np.array([not own for own in names], dtype=bool)
        self._named: dict[str, NDArray[np.bool_]] = {}
        for position, own in enumerate(names):
            for name in own:
                if name not in self._named:
                    self._named[name] = self._any.copy()
                self._named[name][position] = True

    def allow(self, name: str) -> NDArray[np.bool_]:
        """Bool, (nodes,)."""
        return self._named.get(name, self._any)


def _sort_step(graph: Adjacency, is_source: NDArray[np.bool_], is_target: NDArray[np.bool_]) -> _Step:
    edges = np.flatnonzero(is_source[graph.sources] & is_target[graph.targets])
    edges = edges[np.argsort(graph.sources[edges], kind="stable")]
    weights = graph.weights[edges]
    return _Step(graph.sources[edges], graph.targets[edges], weights / weights.max(initial=_TINY), edges)


def _chain_step(
    sources: NDArray[np.int64], edges: NDArray[np.int64], shares: NDArray[np.float64], nodes: int
) -> _ChainStep:
    offsets = np.searchsorted(sources, np.arange(nodes + 1))
    return _ChainStep(
        array("i", offsets.astype(np.int32).tobytes()),
        array("i", edges.astype(np.int32).tobytes()),
        array("d", np.cumsum(shares).tobytes()),
    )
