"""SVG files from strangers: read their metadata and render them without obeying them."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

MAX_SVG_BYTES = 10_000_000

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_IMAGE_ELEMENTS = ("image", "feImage")


class SvgError(ValueError):
    """The file is no SVG that we render; the words say why."""


@dataclass(frozen=True, slots=True)
class Svg:
    """A safe SVG: its text, and what its RDF metadata say.

    Attributes:
        text: The document, to be rendered as it is.
        title: Dublin Core title of the work, else the document's ``<title>``, else empty.
        keywords: Items of the Dublin Core subject's bag.
    """

    text: str
    title: str
    keywords: tuple[str, ...]


def parse_svg(data: bytes) -> Svg:
    """Check an SVG and read its metadata.

    Entity declarations are refused, so nothing can expand or be fetched; so are images by path or URL, which the
    renderer would read from the disk.

    Raises:
        SvgError: Empty, too large, not well-formed, not an SVG, or refused.
    """
    if not data.strip():
        raise SvgError("the file is empty")
    if len(data) > MAX_SVG_BYTES:
        raise SvgError(f"the file has {len(data):,} bytes; the limit is {MAX_SVG_BYTES:,}")
    text = _decode(data)
    reader = _MetadataReader()
    parser = expat.ParserCreate("utf-8")  # the text is decoded already, whatever the declaration says
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.EntityDeclHandler = _refuse_entity
    parser.UnparsedEntityDeclHandler = _refuse_entity
    parser.ExternalEntityRefHandler = _refuse_entity
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as exc:
        raise SvgError(f"not well-formed XML: {exc}") from None
    return Svg(text, reader.work_title.strip() or reader.root_title.strip(), tuple(reader.keywords))


def render_svg(svg: Svg, max_side: int) -> bytes:
    """PNG on white that fits into a square of ``max_side`` pixels.

    Raises:
        SvgError: The renderer refuses the document.
    """
    import resvg_py

    try:
        # Both sides are given, so that no document can choose its own size; dpi has no useful default.
        return bytes(
            resvg_py.svg_to_bytes(svg_string=svg.text, width=max_side, height=max_side, dpi=96.0, background="white")
        )
    except ValueError as exc:
        raise SvgError(f"cannot be rendered: {exc}") from None


def _decode(data: bytes) -> str:
    declared = _ENCODING.match(data)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    elif declared:
        name = declared[1].decode("ascii").lower()
    else:
        name = "utf-8"
    if name not in ("utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"):
        raise SvgError(f"encoding {name} is not read")
    try:
        return data.decode("utf-8-sig" if name in ("utf-8", "utf8") else name)
    except UnicodeDecodeError as exc:
        raise SvgError(f"byte {exc.start} is not {name}") from None


def _refuse_entity(*_: object) -> NoReturn:
    raise SvgError("it declares XML entities, which are refused")


class _MetadataReader:
    """Follows the parser; names are compared without their namespace prefix, as many files declare none."""

    def __init__(self) -> None:
        self.work_title = ""
        self.root_title = ""
        self.keywords: list[str] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        if not self._path and local != "svg":
            raise SvgError(f"the document's root is <{local[:40]}>, not <svg>")
        if local in _IMAGE_ELEMENTS:
            for key, value in attributes.items():
                if _local(key) == "href" and not value.strip().startswith(("data:", "#")):
                    raise SvgError("it shows an image from outside the file, which is refused")
        self._path.append(local)
        if self._path[-2:] == ["Bag", "li"]:
            self.keywords.append("")

    def end(self, _: str) -> None:
        self._path.pop()

    def characters(self, text: str) -> None:
        if self._path[-2:] == ["Work", "title"]:
            self.work_title += text
        elif self._path == ["svg", "title"]:
            self.root_title += text
        elif self._path[-3:] == ["subject", "Bag", "li"]:
            self.keywords[-1] += text


def _local(name: str) -> str:
    return name.rpartition(":")[2]
