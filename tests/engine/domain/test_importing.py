"""A folder of images becomes content items; bad files are listed and skipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.importing import ERRORS_FILE, ImportProgress, import_images
from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import DomainError

pytest.importorskip("resvg_py", reason="the svg extra is not installed")

APPLE = """<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">
<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:cc="http://web.resource.org/cc/"><cc:Work><dc:title>Bitten apple</dc:title><dc:subject><rdf:Bag>
 <rdf:li>fruit</rdf:li><rdf:li></rdf:li><rdf:li>red_fruit</rdf:li><rdf:li>hash(0x8a)</rdf:li><rdf:li>Fruit</rdf:li>
</rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata><circle cx="20" cy="20" r="15" fill="red"/></svg>"""


@pytest.fixture
def folder(tmp_path: Path, tiny: Path) -> Path:
    """Two sound images, one in a subfolder."""
    source = tmp_path / "art"
    (source / "pets").mkdir(parents=True)
    (source / "apple_01.svg").write_text(APPLE)
    shutil.copy(tiny / "images" / "cat.png", source / "pets" / "sleepy-cat_02.png")
    return source


def content(pack: Path) -> dict[str, dict[str, object]]:
    return {item["id"]: item for item in map(json.loads, (pack / "content.jsonl").read_text().splitlines())}


def test_items_carry_the_svgs_own_title_and_keywords_or_the_files_name(folder: Path, tmp_path: Path) -> None:
    report = import_images(folder, tmp_path / "new")
    assert (report.files, report.added, report.known, report.errors) == (2, 2, 0, ())
    pack = load_pack(tmp_path / "new")
    apple, cat = pack.content
    assert (apple.id, apple.title, apple.type) == ("art/apple_01.svg", "Bitten apple", "image")
    assert apple.keywords == ("fruit", "red fruit", "hash(0x8a)")
    assert apple.image == "images/art/apple_01.svg.png"
    assert (cat.title, cat.image) == ("sleepy cat", "images/art/pets/sleepy-cat_02.png")


def test_items_are_added_to_an_existing_pack(folder: Path, tiny: Path) -> None:
    before = content(tiny)
    import_images(folder, tiny, category="icon")
    after = content(tiny)
    assert before.items() <= after.items()
    assert {item["type"] for id_, item in after.items() if id_ not in before} == {"icon"}
    assert load_pack(tiny)


def test_importing_twice_adds_nothing(folder: Path, tiny: Path) -> None:
    import_images(folder, tiny)
    digest = load_pack(tiny).digest
    report = import_images(folder, tiny)
    assert (report.added, report.known) == (0, 2)
    assert load_pack(tiny).digest == digest


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_sidecar_overrides_what_the_file_says(folder: Path, tiny: Path, kind: str) -> None:
    row = {"file": "apple_01.svg", "title": "Logo of an orchard", "keywords": "logo|orchard", "type": "icon"}
    text = ",".join(row) + "\n" + ",".join(row.values()) + "\n" if kind == "csv" else json.dumps(row) + "\n"
    (folder / f"metadata.{kind}").write_text(text)
    import_images(folder, tiny)
    item = content(tiny)["art/apple_01.svg"]
    assert (item["title"], item["keywords"], item["type"]) == ("Logo of an orchard", ["logo", "orchard"], "icon")


def test_bad_files_are_listed_and_skipped(
    folder: Path, tmp_path: Path, tiny: Path, png_bomb: Callable[[int], bytes]
) -> None:
    cat = (tiny / "images" / "cat.png").read_bytes()
    (folder / "corrupt.png").write_bytes(cat[:100] + b"\0" * 50 + cat[150:])
    (folder / "empty.png").touch()
    (folder / "empty.svg").touch()
    (folder / "bomb.png").write_bytes(png_bomb(50_000))
    (folder / "blank.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (folder / "xxe.svg").write_text(
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><title>&x;</title></svg>'
    )
    (folder / "laughs.svg").write_text(
        '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg><title>&b;</title></svg>'
    )
    (folder / "metadata.csv").write_text("file,title\nnowhere.png,Nothing\n")
    report = import_images(folder, tmp_path / "new")
    reasons = dict(report.errors)
    assert report.added == 2
    assert {name: reasons[name] for name in ("empty.png", "empty.svg")} == {
        "empty.png": "the image file is empty (0 bytes)",
        "empty.svg": "the file is empty",
    }
    assert "cannot be decoded" in reasons["corrupt.png"]
    assert "too many pixels" in reasons["bomb.png"]
    assert "single colour" in reasons["blank.svg"]
    assert "entities" in reasons["xxe.svg"]
    assert "entities" in reasons["laughs.svg"]
    assert "no such file" in reasons["nowhere.png"]
    written = map(json.loads, (tmp_path / "new" / ERRORS_FILE).read_text().splitlines())
    assert {line["file"]: line["reason"] for line in written} == reasons
    assert len(load_pack(tmp_path / "new").content) == 2


def test_links_are_not_followed(folder: Path, tmp_path: Path, tiny: Path) -> None:
    (folder / "secret.png").symlink_to(tiny / "images" / "cat.png")
    assert import_images(folder, tmp_path / "new").files == 2


def test_odd_file_names_become_plain_ids_that_stay_apart(folder: Path, tmp_path: Path) -> None:
    for name in ("a b.svg", "a%2eb.svg", "ä.svg", ".hidden.svg", "x" * 150 + ".svg"):
        (folder / name).write_text(APPLE)
    report = import_images(folder, tmp_path / "new")
    assert (report.added, report.errors) == (7, ())
    assert len(load_pack(tmp_path / "new").content) == 7


def test_a_title_that_many_files_share_gives_way_to_their_names(folder: Path, tmp_path: Path) -> None:
    for number in range(6):
        (folder / f"shape_{'abcdef'[number]}.svg").write_text(APPLE)
    import_images(folder, tmp_path / "new")
    titles = [item["title"] for item in content(tmp_path / "new").values()]
    assert "Bitten apple" not in titles
    assert "shape c" in titles


def test_an_interrupt_keeps_what_was_done_and_the_next_run_goes_on(folder: Path, tiny: Path) -> None:
    def interrupt(progress: ImportProgress) -> None:
        raise KeyboardInterrupt

    report = import_images(folder, tiny, on_progress=interrupt)
    assert (report.added, report.interrupted) == (1, True)
    assert len(load_pack(tiny).content) == 17
    report = import_images(folder, tiny)
    assert (report.added, report.known, report.interrupted) == (1, 1, False)
    assert len(load_pack(tiny).content) == 18


def test_an_import_that_was_killed_goes_on_from_its_journal(folder: Path, tiny: Path) -> None:
    image = "images/cat.png"
    done = {"id": "art/apple_01.svg", "title": "Apple", "keywords": [], "type": "image", "image": image}
    old = {"id": "img-1", "title": "Merged before the kill", "keywords": [], "type": "image", "image": image}
    journal = tiny / ".content.jsonl.importing"
    journal.write_text(f'{json.dumps(done)}\n{json.dumps(old)}\n{{"id": "art/ha')
    report = import_images(folder, tiny)
    assert (report.added, report.known) == (1, 1)
    assert content(tiny)["art/apple_01.svg"]["title"] == "Apple"
    assert content(tiny)["img-1"]["title"] == "Snowy mountains at sunset"
    assert len(load_pack(tiny).content) == 18
    assert not journal.exists()


def test_a_category_that_the_pack_lacks_is_a_fault_before_anything_is_written(folder: Path, tiny: Path) -> None:
    (folder / "metadata.csv").write_text("file,type\napple_01.svg,video\n")
    with pytest.raises(DomainError) as caught:
        import_images(folder, tiny, category="sound")
    assert [fault.message.split(": ")[-1] for fault in caught.value.faults] == [
        "'sound' is not a category of the pack",
        "'video' is not a category of the pack",
    ]
    assert len(content(tiny)) == 16


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("metadata.csv", "name,title\na,b\n", 1),
        ("metadata.csv", "file,title,mood\na.png,b,c\n", 1),
        ("metadata.csv", "file,title\na.png\na.png,x\na.png,y\n,z\n", 3),
        ("metadata.jsonl", '3\n{"file": 3}\n{"file": "a", "title": 3}\n{"file": "a", "keywords": [1]}\nx\n', 5),
    ],
)
def test_every_fault_of_a_sidecar_is_named(folder: Path, tiny: Path, name: str, text: str, count: int) -> None:
    (folder / name).write_text(text)
    with pytest.raises(DomainError) as caught:
        import_images(folder, tiny)
    assert len(caught.value.faults) == count
    assert all(fault.line is not None for fault in caught.value.faults)


def test_a_folder_that_is_no_pack_is_refused(folder: Path) -> None:
    with pytest.raises(DomainError, match=r"domain\.yaml"):
        import_images(folder, folder)


def test_a_missing_source_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="no such folder"):
        import_images(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()
