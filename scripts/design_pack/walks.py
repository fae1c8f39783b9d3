"""Prints random walks of the built pack, for reading: `python scripts/design_pack/walks.py search template 50`.

A walk is drawn as the engine draws it: only nodes from which the stratum can still be reached, by edge weight.
"""

from __future__ import annotations

import csv
import random
import sys
from collections import defaultdict

from build import PACK

LAYERS = ("UserIntent", "DesignType", "SceneObject", "Action")


class Walker:
    """The pack's graph, conditioned on demand."""

    def __init__(self) -> None:
        with (PACK / "graph" / "nodes.csv").open(encoding="utf-8", newline="") as file:
            self.nodes = {row["id"]: row for row in csv.DictReader(file)}
        self.edges: dict[str, list[tuple[str, float]]] = defaultdict(list)
        with (PACK / "graph" / "edges.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                self.edges[row["source"]].append((row["target"], float(row["weight"])))

    def condition(self, function: str, category: str) -> dict[str, list[tuple[str, float]]]:
        """Edges that still lead to an action which is valid for the stratum."""

        def allowed(node: dict[str, str]) -> bool:
            return (not node["categories"] or category in node["categories"].split("|")) and (
                not node["functions"] or function in node["functions"].split("|")
            )

        alive = {i for i, node in self.nodes.items() if node["type"] == LAYERS[-1] and allowed(node)}
        kept: dict[str, list[tuple[str, float]]] = {}
        for layer in reversed(LAYERS[:-1]):
            for node_id, node in self.nodes.items():
                if node["type"] == layer and allowed(node):
                    steps = [(target, weight) for target, weight in self.edges[node_id] if target in alive]
                    if steps:
                        kept[node_id] = steps
            alive |= kept.keys()
        return kept

    def draw(self, kept: dict[str, list[tuple[str, float]]], rng: random.Random) -> list[str]:
        """Labels of one walk."""
        node_id = rng.choice([i for i in kept if self.nodes[i]["type"] == LAYERS[0]])
        labels = [self.nodes[node_id]["label"]]
        while node_id in kept:
            targets, weights = zip(*kept[node_id], strict=True)
            node_id = rng.choices(targets, weights)[0]
            labels.append(self.nodes[node_id]["label"])
        return labels


def main() -> None:
    """Print walks of one stratum."""
    function, category, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    walker = Walker()
    kept = walker.condition(function, category)
    rng = random.Random(7)
    for _ in range(count):
        sys.stdout.write(" → ".join(walker.draw(kept, rng)) + "\n")


if __name__ == "__main__":
    main()
