"""The assistant pack keeps what a pack of several arguments has to keep, and is what its sources make of it."""

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = CHECKOUT / "scripts" / "assistant_pack"
PACK = CHECKOUT / "scripts" / "assistant_pack" / "pack"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACK, tmp_path / "assistant"))


def _check(pack: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPTS / "check.py"), "--pack", str(pack)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def test_the_shipped_pack_has_no_fault():
    result = _check(PACK)
    assert result.stdout == "0 faults\n", result.stderr


def test_the_same_sources_give_the_same_files(tmp_path):
    command = [sys.executable, str(SCRIPTS / "build.py"), "--pack", str(tmp_path)]
    subprocess.run(command, capture_output=True, timeout=110, check=True)
    for file in ("graph/nodes.csv", "graph/edges.csv", "prompts/examples.jsonl", "content.jsonl"):
        assert (tmp_path / file).read_bytes() == (PACK / file).read_bytes(), file


def test_faults_are_found(copied):
    _edit(copied / "prompts" / "examples.jsonl", '"artist": "Otis Redding"', '"artist": "Otis Reading"')
    _edit(copied / "graph" / "edges.csv", "artist:bill-withers", "artist:nobody")
    _edit(copied / "prompts" / "heuristic" / "rate-book.yaml", "{object_name}", "{object_nmae}")
    _edit(copied / "functions.json", '"cuisine"', '"kitchen"')
    result = _check(copied)
    assert result.returncode == 1
    for said in ("'Otis Reading' does not stand", "artist:nobody", "unknown symbol object_nmae", "kitchen", "cuisine"):
        assert said in result.stdout


def test_values_are_written_as_people_say_them():
    labels: dict[str, list[str]] = {}
    for node in _rows(PACK / "graph" / "nodes.csv"):
        labels.setdefault(node["type"], []).append(node["label"])
    assert [name for name in labels["Playlist"] if re.search(r"\bplaylist\b", name, re.IGNORECASE)] == []
    assert [time for time in labels["TimeRange"] if re.match(r"(at|on|in|for) ", time)] == []
    assert [name for name in labels["PlaylistOwner"] if not re.search(r"'s?$|^(my|our)$", name)] == []


def test_titles_have_many_forms():
    for kind in ("Track", "Album", "MusicWork", "WorkTitle", "BookTitle", "MovieTitle", "Playlist"):
        titles = [node["label"] for node in _rows(PACK / "graph" / "nodes.csv") if node["type"] == kind]
        lengths = {min(len(title.split()), 6) for title in titles}
        assert lengths == {1, 2, 3, 4, 5, 6}, kind
        assert any(re.search(r"\d", title) for title in titles), kind


def test_frames_say_each_value_once_and_alike_for_a_seed(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from frames import load_frames

    frames = load_frames(PACK / "prompts" / "heuristic" / "play-music.yaml")
    values = {"artist": "Ada Quill", "track": "Nine Lamps", "service": "Deezer", "year": "1987"}
    seed = random.randrange(10**6)
    for phrasing in ("imperative", "question", "fragment"):
        for turn in range(20):
            said = frames.weigh(values).say(phrasing, random.Random(seed + turn))
            assert [said.count(value) for value in values.values()] == [1, 1, 1, 1], (seed, said)
            assert said == frames.weigh(values).say(phrasing, random.Random(seed + turn))


def test_a_condition_keeps_a_text_for_its_values(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from frames import Alternative, Frames

    options = [Alternative("on {day}", 1.0, {"day": ".*day"}), Alternative("in {day}", 1.0, {"day": "May"})]
    frames = Frames("times", ("f",), {"query": options})
    assert frames.weigh({"day": "Sunday"}).say("query", random.Random(1)) == "on Sunday"
    assert frames.weigh({"day": "May"}).say("query", random.Random(1)) == "in May"
    assert not frames.weigh({"day": "noon"}).can_say("query")
    assert not frames.weigh({"day": "Sunday", "place": "Rome"}).can_say("query")


def test_no_function_is_without_examples_of_several_argument_sets():
    seen: dict[str, set[tuple[str, ...]]] = {}
    for line in (PACK / "prompts" / "examples.jsonl").read_text("utf-8").splitlines():
        example = json.loads(line)
        seen.setdefault(example["function"], set()).add(tuple(sorted(example["arguments"])))
    names = [tool["function"]["name"] for tool in json.loads((PACK / "functions.json").read_text("utf-8"))]
    least = {name: min(2, len(seen[name])) if name == "SearchCreativeWork" else 10 for name in names}
    assert {name for name in names if len(seen[name]) < least[name]} == set()
