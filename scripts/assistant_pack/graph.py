"""The pack's nodes and edges."""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path

LONGER = {"WorkTitle": 1.5, "BookTitle": 1.35, "MovieTitle": 1.3, "MusicWork": 1.2, "Track": 1.2, "Album": 1.4}
LONGER |= {"Site": 4.0, "PartyDescription": 1.5}
"""How much likelier a label is for each of its words (up to seven): real ones are longer than the sources' mean."""
NODE_COLUMNS = ("id", "type", "label", "aliases", "categories", "functions", "weight")
EDGE_COLUMNS = ("source", "target", "type", "weight")


def _slug(label: str) -> str:
    # Capitals apart from the first do not tell two labels from one another; accents do not belong into an id.
    plain = unicodedata.normalize("NFKD", label.replace("ø", "o").replace("ł", "l").replace("ı", "i"))
    return re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower()).strip("-") or "x"


class GraphBuilder:
    """Collects nodes and edges. A label is one node of its type, whatever its capitals."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.ids: dict[str, dict[str, str]] = {}
        """Node type → casefolded label → node id."""
        self.edges: dict[tuple[str, str, str], float] = {}

    def add(
        self, kind: str, label: str, *, weight: float = 1.0, category: str = "", aliases: tuple[str, ...] = ()
    ) -> str:
        """Add a node, unless the type has the label; return its id."""
        known = self.ids.setdefault(kind, {})
        if (node_id := known.get(label.casefold())) is not None:
            return node_id
        base = f"{_slug(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', kind))}:{_slug(label)}"[:120]
        node_id, number = base, 2
        while node_id in self.rows:
            node_id, number = f"{base}-{number}", number + 1
        weight *= LONGER.get(kind, 1.0) ** min(len(label.split()), 7)
        values = (node_id, kind, label, "|".join(aliases), category, "", f"{weight:.4g}")
        self.rows[node_id] = dict(zip(NODE_COLUMNS, values, strict=True))
        known[label.casefold()] = node_id
        return node_id

    def join(self, source: str, target: str, kind: str, weight: float = 1.0) -> None:
        """Add an edge; the same edge again makes it heavier."""
        key = (source, target, kind)
        self.edges[key] = self.edges.get(key, 0.0) + weight

    def of(self, kind: str) -> list[str]:
        """Ids of all nodes of a type, in the order in which they were added."""
        return list(self.ids[kind].values())

    def write(self, folder: Path) -> None:
        """Write `nodes.csv` and `edges.csv`."""
        folder.mkdir(parents=True, exist_ok=True)
        order = {kind: place for place, kind in enumerate(self.ids)}
        with (folder / "nodes.csv").open("w", encoding="utf-8", newline="") as file:
            nodes = csv.DictWriter(file, NODE_COLUMNS, lineterminator="\n")
            nodes.writeheader()
            nodes.writerows(sorted(self.rows.values(), key=lambda row: order[row["type"]]))
        with (folder / "edges.csv").open("w", encoding="utf-8", newline="") as file:
            edges = csv.writer(file, lineterminator="\n")
            edges.writerow(EDGE_COLUMNS)
            edges.writerows([*key, f"{weight:.4g}"] for key, weight in self.edges.items())
