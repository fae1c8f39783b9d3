"""Builds the `assistant` pack's graph and examples from the sources beside this script.

    python scripts/assistant_pack/build.py            # into domains/assistant
    python scripts/assistant_pack/check.py            # what a pack of several arguments has to keep

The same sources give the same files, byte by byte. `sources/` was taken from other packages by `extract.py`; the
other files of the pack (`domain.yaml`, `functions.json`, `targets.yaml`, grammars and templates) are written by hand.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from examples import write_content, write_examples
from graph import GraphBuilder
from music import add_music
from places import add_places
from small import add_small
from tables import add_tables
from works import add_works

PACK = Path(__file__).parents[2] / "domains" / "assistant"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pack", type=Path, default=PACK, help="folder that is written (default: the shipped pack)")
    pack: Path = parser.parse_args().pack
    graph = GraphBuilder()
    for add in (add_small, add_music, add_works, add_tables, add_places):
        add(graph)
    graph.write(pack / "graph")
    count = write_examples(pack / "prompts")
    write_content(pack / "content.jsonl")
    types = Counter(row["type"] for row in graph.rows.values())
    for kind, number in types.items():
        sys.stdout.write(f"{number:6} {kind}\n")
    sys.stdout.write(f"{len(graph.rows)} nodes, {len(graph.edges)} edges, {count} examples\n")


if __name__ == "__main__":
    main()
