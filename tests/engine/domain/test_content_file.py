"""Faults of ``content.jsonl`` and of the images that it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.errors import Fault

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]

FILE = "content.jsonl"


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ('"type": "icon"}', '"type": "icno"}', "type", "'icno' is not a category"),
        ('"id": "ico-3"', '"id": "ico-1"', "id", "given twice (first on line 11)"),
        ('"id": "ico-3"', '"id": "ico 3"', "id", "not an item id"),
        ('"title": "Sun weather symbol"', '"title": " "', "title", "the title is empty"),
        ('"Sun weather symbol"', '"\\ud800"', "title", "U+D800"),
        ('"Sun weather symbol"', '"a\\u0000b"', "title", "U+0000"),
        ('"Sun weather symbol"', "3", "title", "string"),
        ('"title": "Sun', '"animated": true, "title": "Sun', "animated", "unknown key"),
        ('"title": "Sun weather symbol", ', "", "title", "required key is missing"),
        ('"sunshine", "map icon"', '"", "map icon"', "keywords.1", "the keyword is empty"),
        ('"title": "Sun', '"locale": "english", "title": "Sun', "locale", "pattern"),
        ('"title": "Sun', '"title": "Moon", "title": "Sun', None, "key 'title' is given twice"),
        ('{"id": "ico-3"', '["id": "ico-3"', None, "not valid JSON"),
        ('"Sun weather symbol"', "NaN", None, "NaN is not JSON"),
    ],
)
def test_a_faulty_item_is_named_with_line_and_field(
    edit: Edit, only_fault: OnlyFault, old: str, new: str, field: str | None, message: str
) -> None:
    line = edit(FILE, old, new)
    fault = only_fault()
    assert (fault.line, fault.field) == (line, field)
    assert message in fault.message


@pytest.mark.parametrize("line", ["3", "null", "[]", '"x"', "[" * 5000])
def test_a_line_that_is_no_object_is_a_fault(tiny: Path, only_fault: OnlyFault, line: str) -> None:
    with (tiny / FILE).open("a") as file:
        file.write(line + "\n")
    assert only_fault().line == 17


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../outside.png", "leaves the pack by .."),
        ("images/../../outside.png", "leaves the pack by .."),
        ("/etc/passwd", "absolute"),
        ("//etc/passwd", "absolute"),
        ("images/%2e%2e/%2e%2e/outside.png", "percent escape"),
        ("..\\\\outside.png", "backslash"),
        ("images/cat.png\\u0000.txt", "control character"),
        ("http://169.254.169.254/", "URL"),
        ("file:///etc/passwd", "URL"),
        ("http://ok.com\\\\@127.0.0.1", "backslash"),
        ("C:/windows/cat.png", "URL or a drive"),
        ("data:image/png;base64,AAAA", "URL"),
        ("", "empty"),
        ("images/nowhere.png", "no such image file"),
        ("images", "no such image file"),
        ("domain.yaml", "not a PNG"),
    ],
)
def test_an_image_path_stays_inside_the_pack(
    tiny: Path, edit: Edit, only_fault: OnlyFault, path: str, message: str
) -> None:
    (tiny.parent / "outside.png").write_bytes((tiny / "images" / "cat.png").read_bytes())
    line = edit(FILE, "images/cat.png", path)
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "image")
    assert message in fault.message


def test_a_link_out_of_the_pack_is_refused_although_its_target_is_an_image(tiny: Path, faults: Faults) -> None:
    image = tiny / "images" / "cat.png"
    image.rename(tiny.parent / "outside.png")
    image.symlink_to(tiny.parent / "outside.png")
    assert [fault.line for fault in faults() if fault.field == "image"] == [2]


def test_a_link_that_stays_inside_the_pack_is_allowed(tiny: Path, edit: Edit) -> None:
    from routenator.engine.domain.loading import load_pack

    (tiny / "images" / "kitten.png").symlink_to("cat.png")
    edit(FILE, "images/cat.png", "images/kitten.png")
    assert load_pack(tiny).content[1].image == "images/kitten.png"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        (b"\x89PNG\r\n\x1a\nrubbish", "cannot be decoded"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG"),
        (b"%!PS-Adobe-3.0\n", "not a PNG"),
    ],
)
def test_an_image_must_be_one(tiny: Path, only_fault: OnlyFault, data: bytes, message: str) -> None:
    (tiny / "images" / "cat.png").write_bytes(data)
    fault = only_fault()
    assert (fault.line, fault.field) == (2, "image")
    assert message in fault.message


def test_a_flipped_byte_in_an_image_is_found(tiny: Path, only_fault: OnlyFault) -> None:
    path = tiny / "images" / "cat.png"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert "cannot be decoded" in only_fault().message


def test_a_decompression_bomb_is_refused_by_its_header(
    tiny: Path, only_fault: OnlyFault, png_bomb: Callable[[int], bytes]
) -> None:
    (tiny / "images" / "cat.png").write_bytes(png_bomb(100_000))
    assert "too many pixels" in only_fault().message
