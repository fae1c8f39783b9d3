"""The pack's nodes and edges."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from expanding import plain_letters

WORD_SHARES: dict[str, tuple[float, ...]] = {
    "Artist": (9, 74, 14, 3),
    "MusicWork": (10, 18, 21, 30, 12, 18, 4),
    "Track": (16, 16, 16, 25, 22, 8, 4),
    "Album": (13, 18, 14, 38, 22, 10, 6),
    "Playlist": (8, 42, 25, 18, 11, 3),
    "City": (58, 38, 4),
    "State": (74, 22, 4),
    "Country": (68, 26, 4, 2),
    "Cuisine": (85, 15),
    "Dish": (67, 25, 8),
    "Landmark": (12, 42, 18, 16, 12),
    "RestaurantName": (2, 32, 50, 14, 4),
    "Genre": (80, 17, 3),
    "Site": (2, 3, 38, 22, 40),
    "BookTitle": (2, 12, 25, 26, 14, 18, 9, 10),
    "WorkTitle": (6, 15, 25, 23, 16, 12, 6, 6),
    "MovieTitle": (4, 15, 22, 28, 20, 15, 10, 7),
    "Cinema": (1, 65, 38),
    "PartyDescription": (2, 3, 24, 58, 13),
}
"""Weight of a type's labels that have one word, two, …, together. With these the delivered values have as many words as
those of the population file: long ones are refused more often, as they seldom fit the length of their query."""
TITLES = ("MusicWork", "Track", "Album", "BookTitle", "WorkTitle", "MovieTitle")
WITH_APOSTROPHE = 0.15
"""Weight of a title with an apostrophe, beside one without: none of 900 in the population file has one."""
NODE_COLUMNS = ("id", "type", "label", "aliases", "categories", "functions", "weight")
EDGE_COLUMNS = ("source", "target", "type", "weight")


def _slug(label: str) -> str:
    # Capitals apart from the first do not tell two labels from one another; accents do not belong into an id.
    return re.sub(r"[^a-z0-9]+", "-", plain_letters(label).lower()).strip("-") or "x"


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
        if kind in TITLES and "'" in label:
            weight *= WITH_APOSTROPHE
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

    def _weigh_by_words(self) -> None:
        """Make long labels as likely as `WORD_SHARES` says; the mean weight of a type becomes 1."""
        for kind, shares in WORD_SHARES.items():
            rows = [self.rows[node_id] for node_id in self.of(kind)]
            sums = [0.0] * len(shares)
            for row in rows:
                sums[min(len(row["label"].split()), len(shares)) - 1] += float(row["weight"])
            met = sum(share for share, weight in zip(shares, sums, strict=True) if weight)
            for row in rows:
                place = min(len(row["label"].split()), len(shares)) - 1
                row["weight"] = f"{float(row['weight']) * shares[place] / met * len(rows) / sums[place]:.4g}"

    def write(self, folder: Path) -> None:
        """Write `nodes.csv` and `edges.csv`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._weigh_by_words()
        order = {kind: place for place, kind in enumerate(self.ids)}
        with (folder / "nodes.csv").open("w", encoding="utf-8", newline="") as file:
            nodes = csv.DictWriter(file, NODE_COLUMNS, lineterminator="\n")
            nodes.writeheader()
            nodes.writerows(sorted(self.rows.values(), key=lambda row: order[row["type"]]))
        with (folder / "edges.csv").open("w", encoding="utf-8", newline="") as file:
            edges = csv.writer(file, lineterminator="\n")
            edges.writerow(EDGE_COLUMNS)
            edges.writerows([*key, f"{weight:.4g}"] for key, weight in self.edges.items())
