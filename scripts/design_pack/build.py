"""Builds the `design` pack's generated files from the sources beside this script.

    python scripts/design_pack/build.py            # graph and content
    python scripts/design_pack/build.py --images   # and the images: needs the `svg` extra and lettering.py's fonts

The same sources give the same files. `domain.yaml`, `functions.json` and `targets.yaml` are written by hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from content import write_content
from graph import build_graph
from pictures import load_pictures, render_picture
from themes import CATEGORIES, load_themes, load_verbs

PACK = Path(__file__).parents[2] / "domains" / "design"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", action="store_true", help="draw the images too")
    parser.add_argument("--pack", type=Path, default=PACK, help="folder that is written (default: the shipped pack)")
    options = parser.parse_args()
    pack: Path = options.pack
    (pack / "graph").mkdir(parents=True, exist_ok=True)
    themes = load_themes()
    pictures = load_pictures()
    drawn: dict[str, set[str]] = {category: set() for category in CATEGORIES}
    for picture in pictures:
        drawn[picture.category].update(picture.keywords)
    graph = build_graph(themes, load_verbs(), drawn)
    graph.write(pack / "graph")
    sys.stdout.write(f"{len(graph.nodes)} nodes, {len(graph.edges)} edges\n")
    if options.images:
        (pack / "images").mkdir(exist_ok=True)
        for stale in (pack / "images").glob("*.png"):
            stale.unlink()
        sizes = [render_picture(picture, pack) for picture in pictures]
        sys.stdout.write(f"{len(sizes)} images, {sum(sizes) / 1e6:.2f} MB, the largest {max(sizes) / 1e3:.1f} KB\n")
    count = write_content(pack / "content.jsonl", themes, pictures)
    sys.stdout.write(f"{count} content items\n")


if __name__ == "__main__":
    main()
