"""The assistant pack keeps what a pack of several arguments has to keep, and is what its sources make of it."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from routenator.engine.prompting.grammar import Grammar, load_grammar
from routenator.engine.routing.targets import PHRASINGS

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = CHECKOUT / "scripts" / "assistant_pack"
PACK = CHECKOUT / "domains" / "assistant"


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


@pytest.fixture(scope="module")
def arguments() -> dict[str, dict[str, dict[str, str]]]:
    return dict(yaml.safe_load((PACK / "domain.yaml").read_text("utf-8"))["arguments"])


@pytest.fixture(scope="module")
def grammars(arguments: dict[str, dict[str, dict[str, str]]]) -> dict[str, Grammar]:
    spoken = {function: frozenset(names) for function, names in arguments.items()}
    files = sorted((PACK / "prompts" / "heuristic").glob("*.yaml"))
    loaded = [load_grammar(path, path.stem, frozenset(), spoken) for path in files]
    return {function: grammar for grammar in loaded for function in grammar.meta.functions}


@pytest.fixture(scope="module")
def labels() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in _rows(PACK / "graph" / "nodes.csv"):
        found.setdefault(node["type"], []).append(node["label"])
    return found


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
    for said in (
        "'Otis Reading' does not stand",
        "artist:nobody",
        "{object_nmae}",
        "kitchen",
        "cuisine",
    ):
        assert said in result.stdout


def test_values_are_written_as_people_say_them(labels):
    assert [name for name in labels["Playlist"] if re.search(r"\bplaylist\b", name, re.IGNORECASE)] == []
    assert [time for time in labels["TimeRange"] if re.match(r"(at|on|for) ", time)] == []
    stretch = r"in (\S+|half an|a few|a couple of) (second|minute|hour|day|week|month|year)s?|in a while"
    assert [time for time in labels["TimeRange"] if time.startswith("in ") and not re.fullmatch(stretch, time)] == []
    assert [name for name in labels["PlaylistOwner"] if not re.search(r"'s?$|^(my|our)$", name)] == []


def test_titles_have_many_forms():
    for kind in ("Track", "Album", "MusicWork", "WorkTitle", "BookTitle", "MovieTitle", "Playlist"):
        titles = [node["label"] for node in _rows(PACK / "graph" / "nodes.csv") if node["type"] == kind]
        lengths = {min(len(title.split()), 6) for title in titles}
        assert lengths == {1, 2, 3, 4, 5, 6}, kind
        assert any(re.search(r"\d", title) for title in titles), kind


@given(data=st.data())
def test_a_sentence_says_each_value_once_and_as_it_stands(data, arguments, grammars, labels):
    function = data.draw(st.sampled_from(sorted(arguments)))
    grammar, nodes = grammars[function], {name: declared["node"] for name, declared in arguments[function].items()}
    names = data.draw(st.sets(st.sampled_from(sorted(nodes)), max_size=4))
    values = {name: data.draw(st.sampled_from(labels[nodes[name]])) for name in sorted(names)}
    phrasing = data.draw(st.sampled_from(PHRASINGS))
    said, _ = grammar.say(phrasing, values, data.draw(st.integers(0, 10**6)), bool)
    assume(said is not None)
    # A value such as "1" or "my" may stand in another value, or be what the grammar itself says.
    around = [*grammar.literal_texts(), "a", "an", *values.values()]
    for value in values.values():
        by_chance = sum(value in other for other in around) > 1
        assert said.count(value) == 1 or (by_chance and value in said)


def test_no_function_is_without_examples_of_several_argument_sets():
    seen: dict[str, set[tuple[str, ...]]] = {}
    for line in (PACK / "prompts" / "examples.jsonl").read_text("utf-8").splitlines():
        example = json.loads(line)
        seen.setdefault(example["function"], set()).add(tuple(sorted(example["arguments"])))
    names = [tool["function"]["name"] for tool in json.loads((PACK / "functions.json").read_text("utf-8"))]
    least = {name: min(2, len(seen[name])) if name == "SearchCreativeWork" else 10 for name in names}
    assert {name for name in names if len(seen[name]) < least[name]} == set()
