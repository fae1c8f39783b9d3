"""The drawn items: reads `pictures.yaml`, composes each as SVG, renders it with resvg, stores a small PNG."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from brief import Brief
from layouts import LAYOUTS
from lettering import font_files
from PIL import Image

COLORS = 48
"""Palette size of the PNGs: flat drawings keep their look and stay below 12 KB."""

SPECIMEN_COLORS = 16
"""The same for specimens: two colours and their edges."""


SYMBOL_LABELS: dict[str, str | None] = yaml.safe_load((Path(__file__).parent / "symbol_labels.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Picture:
    """One drawn item."""

    title: str
    category: str
    layout: str
    brief: Brief
    keywords: tuple[str, ...]

    @property
    def file(self) -> str:
        """Path inside the pack."""
        return f"images/{self.category}-{re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-')}.png"


def _split(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]


def _labels(symbols: list[str]) -> list[str]:
    return [label for name in symbols if (label := SYMBOL_LABELS[name])]


def load_pictures() -> list[Picture]:
    """Every drawn item, in file order."""
    pictures = []
    source = yaml.safe_load((Path(__file__).parent / "pictures.yaml").read_text("utf-8"))
    for category, entries in source.items():
        for entry in entries:
            title, layout, palette, symbols, lines, keywords = (part.strip() for part in entry.split(";"))
            kind, _, variant = layout.partition(" ")
            brief = Brief(variant, palette, _split(symbols, ","), _split(lines, "/"), title)
            labels = [] if category in ("font", "audio") else _labels(brief.symbols)
            named = tuple(dict.fromkeys((*_split(keywords, ","), *labels)))
            pictures.append(Picture(title, category, kind, brief, named))
    return pictures


def compose_svg(picture: Picture) -> str:
    """The whole design as an SVG document."""
    width, height, body = LAYOUTS[picture.layout](picture.brief)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{body}</svg>'
    )


def render_picture(picture: Picture, pack: Path) -> int:
    """Draw one item into the pack; return the file's size in bytes."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=compose_svg(picture), font_files=font_files(), skip_system_fonts=True)
    image = Image.open(io.BytesIO(png)).convert("RGB")
    target = pack / picture.file
    colors = SPECIMEN_COLORS if picture.layout == "specimen" else COLORS
    image.quantize(colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(target, optimize=True)
    return target.stat().st_size
