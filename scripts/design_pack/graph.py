"""Writes `graph/nodes.csv` and `graph/edges.csv` from the themes."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from themes import CATEGORIES, LIST_WEIGHTS, OBJECT_CATEGORIES, Term, Theme, Verb

VERBS_IN_TURN = 3
"""Beside the most usual verb, an object is tied to this many general and this many special verbs of each function."""


LEVEL = 100.0
"""Sum of the weights of a design type's objects."""


DRAWN_WEIGHT = 3.0
"""People ask for what the library is known for, and a walk to a drawn object can be grounded in its image."""


class GraphBuilder:
    """Collects nodes and edges; a label that several themes name is one node."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, str]] = {}
        self.edges: dict[tuple[str, str, str], float] = {}

    def add_node(self, kind: str, term: Term, categories: tuple[str, ...] = (), function: str = "") -> str:
        """Add or merge a node; return its id."""
        slug = re.sub(r"[^a-z0-9]+", "-", term.label.lower()).strip("-")
        node_id = f"{kind}:{slug}"
        known = self.nodes.get(node_id)
        if known is None:
            self.nodes[node_id] = {
                "id": node_id,
                "type": KINDS[kind],
                "label": term.label,
                "aliases": "|".join(term.aliases),
                "categories": "|".join(categories),
                "functions": function,
            }
            return node_id
        merged = {*known["categories"].split("|"), *categories} if known["categories"] and categories else set()
        known["categories"] = "|".join(c for c in CATEGORIES if c in merged)
        aliases = [a for a in known["aliases"].split("|") if a]
        known["aliases"] = "|".join([*aliases, *(a for a in term.aliases if a not in aliases)])
        return node_id

    def add_edge(self, source: str, target: str, kind: str, weight: float) -> None:
        """Add an edge; edges that several themes name add up."""
        key = (source, target, kind)
        self.edges[key] = self.edges.get(key, 0.0) + weight

    def level(self, kind: str) -> None:
        """Make the weights that leave a node by edges of this kind sum to `LEVEL`.

        The engine weighs an edge by all ways that lead on from its target, so a design type with many objects would
        drown one with few.
        """
        sums: dict[str, float] = {}
        for (source, _, edge_kind), weight in self.edges.items():
            if edge_kind == kind:
                sums[source] = sums.get(source, 0.0) + weight
        for key, weight in self.edges.items():
            if key[2] == kind:
                self.edges[key] = LEVEL * weight / sums[key[0]]

    def write(self, folder: Path) -> None:
        """Write both files, in the order of the sources."""
        columns = ["id", "type", "label", "aliases", "categories", "functions"]
        with (folder / "nodes.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(self.nodes.values(), key=lambda n: list(KINDS.values()).index(n["type"])))
        with (folder / "edges.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["source", "target", "type", "weight"])
            rows.writerows(
                [source, target, kind, f"{weight:.4g}"] for (source, target, kind), weight in self.edges.items()
            )


KINDS = {"intent": "UserIntent", "design": "DesignType", "object": "SceneObject", "action": "Action"}


def _popularity(position: int, count: int) -> float:
    """Authors name first what comes to mind first: 3, 2, 1 over the thirds of a list."""
    return 3.0 - (3 * position) // count


def _take_turns(verbs: list[Verb], turn: int) -> list[Verb]:
    return [verbs[(turn + step) % len(verbs)] for step in range(min(VERBS_IN_TURN, len(verbs)))]


def build_graph(themes: list[Theme], verbs: list[Verb], drawn: dict[str, set[str]]) -> GraphBuilder:
    """Nodes and weighted edges of all themes.

    Args:
        themes: In file order.
        verbs: The actions.
        drawn: Category → labels that a drawn item of the category carries.
    """
    graph = GraphBuilder()
    objects: dict[str, set[str]] = {}
    for theme in themes:
        for design in theme.designs:
            design_id = graph.add_node("design", design.term, (design.category,))
            for position, intent in enumerate(theme.intents):
                if not theme.calls_for(intent, design):
                    continue
                intent_id = graph.add_node("intent", intent)
                graph.add_edge(intent_id, design_id, "calls_for", design.term.weight * (1.5 if position == 0 else 1.0))
            for kind, terms in theme.featured(design):
                share = LIST_WEIGHTS[design.category][kind]
                for position, term in enumerate(terms):
                    object_id = graph.add_node("object", term, OBJECT_CATEGORIES[kind])
                    objects.setdefault(object_id, set()).update(OBJECT_CATEGORIES[kind])
                    weight = share * _popularity(position, len(terms))
                    if term.label in drawn[design.category]:
                        weight *= DRAWN_WEIGHT
                    graph.add_edge(design_id, object_id, "features", weight)
    action_ids = {verb: graph.add_node("action", verb.term, verb.categories, verb.function) for verb in verbs}
    for turn, (object_id, categories) in enumerate(objects.items()):
        for function in ("search", "generate"):
            usable = [v for v in verbs if v.function == function]
            usual, *general = [v for v in usable if not v.categories]
            special = [v for v in usable if categories & set(v.categories)]
            for verb in (usual, *_take_turns(general, turn), *_take_turns(special, turn)):
                graph.add_edge(object_id, action_ids[verb], "requested_by", verb.term.weight)
    graph.level("features")
    return graph
