"""One file of an import: checked, rendered or copied into the pack, and described. Runs in a process of its own."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from routenator.engine.domain.images import load_image
from routenator.engine.domain.svg import parse_svg, render_svg
from routenator.engine.errors import ImageError

SOURCE_SUFFIXES = (".svg", ".png", ".jpg", ".jpeg", ".webp")

_MAX_TITLE_CHARS = 200
_MAX_KEYWORD_CHARS = 60
_MAX_KEYWORDS = 30
_NOISE = {"", "hash", "unsorted", "clip art", "clipart"}
"""Keywords that say nothing: artefacts of Open Clip Art's own exports, and shelf marks."""


@dataclass(frozen=True, slots=True)
class ImageTask:
    """A file to import. ``destination`` is where its image goes, inside the pack."""

    source: Path
    destination: Path
    max_side: int


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the file says of itself."""

    title: str
    keywords: tuple[str, ...]


def import_image(task: ImageTask) -> ImageFacts:
    """Check one file and write its image; the destination is complete or absent.

    Raises:
        SvgError: The SVG is refused or cannot be rendered.
        ImageError: The bitmap is refused, or the picture is blank.
        OSError: The file cannot be read or written.
    """
    if task.source.suffix.lower() == ".svg":
        svg = parse_svg(task.source.read_bytes())
        data = render_svg(svg, task.max_side)
        with Image.open(io.BytesIO(data)) as image:
            _refuse_blank(image)
        facts = ImageFacts(clean_title(svg.title), clean_keywords(svg.keywords))
    else:
        _refuse_blank(load_image(task.source))
        data = task.source.read_bytes()
        facts = ImageFacts("", ())
    task.destination.parent.mkdir(parents=True, exist_ok=True)
    partial = task.destination.with_name(f".{task.destination.name}.partial")
    partial.write_bytes(data)
    partial.replace(task.destination)
    return facts


def clean_title(title: str) -> str:
    """One line without control characters, underscores as spaces, cut at a length that a list can show."""
    return _clean(title.replace("_", " "))[:_MAX_TITLE_CHARS].strip()


def clean_keywords(keywords: Iterable[str]) -> tuple[str, ...]:
    """Words and short phrases, each once, underscores as spaces."""
    kept: dict[str, str] = {}
    for entry in keywords:
        for part in re.split(r"[,;]", entry):
            keyword = _clean(part.replace("_", " "))
            if keyword.casefold() not in _NOISE and len(keyword) <= _MAX_KEYWORD_CHARS:
                kept.setdefault(keyword.casefold(), keyword)
    return tuple(kept.values())[:_MAX_KEYWORDS]


def title_from_name(name: str) -> str:
    """``jacob_leisler_mo_01`` → ``jacob leisler mo``; a name of digits alone stays as it is."""
    words = _clean(re.sub(r"[_\-.+]+", " ", name))
    return re.sub(r"(\s+\d+)+$", "", words)[:_MAX_TITLE_CHARS] or "untitled"


def _clean(text: str) -> str:
    spaced = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    return " ".join(spaced.split())


def _refuse_blank(image: Image.Image) -> None:
    bands = image.convert("RGB").split()
    if all(band.getextrema()[0] == band.getextrema()[1] for band in bands):
        raise ImageError("the picture is a single colour: there is nothing to see")
