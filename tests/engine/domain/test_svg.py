"""SVG from strangers."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from routenator.engine.domain.svg import SvgError, parse_svg, render_svg

pytest.importorskip("resvg_py", reason="the svg extra is not installed")

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20"'
RDF = """<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://web.resource.org/cc/"><cc:Work>
  <dc:title>Red &amp; round apple</dc:title>
  <dc:subject><rdf:Bag><rdf:li>fruit</rdf:li><rdf:li/><rdf:li>apple</rdf:li></rdf:Bag></dc:subject>
  <dc:creator><cc:Agent><dc:title>Somebody Else</dc:title></cc:Agent></dc:creator>
</cc:Work></rdf:RDF></metadata>"""


def svg(body: str = "", head: str = HEAD) -> bytes:
    return f"<?xml version='1.0'?>{head}>{body}<rect width='10' height='20' fill='red'/></svg>".encode()


def test_title_and_keywords_come_from_the_rdf() -> None:
    parsed = parse_svg(svg(RDF))
    assert (parsed.title, parsed.keywords) == ("Red & round apple", ("fruit", "", "apple"))


def test_the_documents_title_serves_where_there_is_no_rdf() -> None:
    assert parse_svg(svg("<title>Plain</title><g><title>tip</title></g>")).title == "Plain"


def test_metadata_are_read_without_declared_namespaces() -> None:
    assert parse_svg(f"<svg>{RDF.replace('xmlns', 'x')}</svg>".encode()).title == "Red & round apple"


def test_a_picture_is_rendered_on_white_within_the_square() -> None:
    with Image.open(io.BytesIO(render_svg(parse_svg(svg()), 100))) as image:
        assert image.size == (100, 50)
        assert image.convert("RGB").getpixel((10, 25)) == (255, 0, 0)
        assert image.convert("RGB").getpixel((90, 25)) == (255, 255, 255)


@pytest.mark.parametrize("size", ['width="1e9" height="1e9"', 'width="1" height="1e7"', 'width="4mm" height="2pt"'])
def test_a_document_cannot_choose_how_large_it_is_rendered(size: str) -> None:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
    with Image.open(io.BytesIO(render_svg(parse_svg(svg(head=head)), 64))) as image:
        assert max(image.size) <= 64


XXE = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE svg [<!ENTITY % x SYSTEM "http://127.0.0.1/x.dtd"> %x;]>'
LAUGHS = (
    '<!DOCTYPE svg [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)


@pytest.mark.parametrize("doctype", [XXE, PARAMETER, LAUGHS])
def test_entity_declarations_are_refused(doctype: str) -> None:
    document = f"{doctype}{HEAD}><title>&x;&j;</title></svg>"
    with pytest.raises(SvgError, match="entities"):
        parse_svg(document.encode())


def test_a_document_type_without_entities_is_harmless() -> None:
    doctype = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    assert parse_svg(f"{doctype}{HEAD}><title>ok</title></svg>".encode()).title == "ok"


@pytest.mark.parametrize(
    "body",
    [
        '<image xlink:href="/etc/secret.png" width="9" height="9"/>',
        '<image href="file:///etc/secret.png" width="9" height="9"/>',
        '<image href=" http://169.254.169.254/" width="9" height="9"/>',
        '<image href="../secret.png" width="9" height="9"/>',
        '<filter id="f"><feImage xlink:href="secret.png"/></filter>',
    ],
)
def test_an_image_from_outside_the_document_is_refused(body: str) -> None:
    with pytest.raises(SvgError, match="from outside"):
        parse_svg(svg(body))


def test_an_image_inside_the_document_is_allowed(tiny: Path) -> None:
    import base64

    data = base64.b64encode((tiny / "images" / "cat.png").read_bytes()).decode()
    parsed = parse_svg(svg(f'<image href="data:image/png;base64,{data}" width="20" height="20"/>'))
    assert len(render_svg(parsed, 40)) > 100


def test_a_document_inside_the_document_reads_no_files(tiny: Path) -> None:
    import base64

    inner = f'{HEAD}><image href="{tiny / "images" / "cat.png"}" width="40" height="20"/></svg>'
    data = base64.b64encode(inner.encode()).decode()
    outer = f'{HEAD}><image href="data:image/svg+xml;base64,{data}" width="40" height="20"/></svg>'
    with Image.open(io.BytesIO(render_svg(parse_svg(outer.encode()), 40))) as image:
        assert image.convert("RGB").getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<svg", "not well-formed"),
        (b"<html/>", "root is <html>"),
        (b"\x89PNG\r\n", "byte 0 is not utf-8"),
        (b"<?xml version='1.0' encoding='utf-7'?><svg/>", "encoding utf-7 is not read"),
        (b"<svg>" + b" " * 10_000_001 + b"</svg>", "the limit is"),
    ],
)
def test_what_is_no_svg_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(SvgError, match=message):
        parse_svg(data)


def test_latin_1_is_read_as_declared() -> None:
    document = "<?xml version='1.0' encoding='iso-8859-1'?><svg><title>pâté</title></svg>".encode("latin-1")
    assert parse_svg(document).title == "pâté"
