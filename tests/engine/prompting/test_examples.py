"""Few-shot examples: reading them, and choosing those that look like the slot."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from routenator.engine.errors import PromptError
from routenator.engine.prompting.examples import EXAMPLES_FILE, Example, ExampleBank, load_examples
from routenator.engine.sample import Stratum

LINE = {"function": "search", "category": "icon", "query": "kite icon", "nodes": {"SceneObject": "kite"}}


def write_lines(folder: Path, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXAMPLES_FILE).write_text("\n".join(lines))
    return folder


def test_examples_of_all_folders_are_read_and_blank_lines_skipped(tmp_path: Path) -> None:
    line = orjson.dumps(LINE).decode()
    folders = [write_lines(tmp_path / "a", line, "", line), write_lines(tmp_path / "b", line), tmp_path / "none"]
    assert load_examples(folders) == (Example.model_validate(LINE),) * 3


def test_line_separator_inside_a_string_does_not_end_the_line(tmp_path: Path) -> None:
    line = orjson.dumps({**LINE, "query": "kite\u2028icon"}).decode()
    assert [example.query for example in load_examples([write_lines(tmp_path, line)])] == ["kite\u2028icon"]


def test_every_faulty_line_of_every_folder_is_named(tmp_path: Path) -> None:
    good = orjson.dumps(LINE).decode()
    write_lines(tmp_path / "a", good, "{", "[1]", good)
    unknown = orjson.dumps({**LINE, "qurey": "x"}).decode()
    missing = orjson.dumps({key: value for key, value in LINE.items() if key != "nodes"}).decode()
    write_lines(tmp_path / "b", unknown, missing)
    with pytest.raises(PromptError) as caught:
        load_examples([tmp_path / "a", tmp_path / "b"])
    places = {(Path(fault.file).parent.name, fault.line, fault.field) for fault in caught.value.faults}
    assert places == {("a", 2, None), ("a", 3, ""), ("b", 1, "qurey"), ("b", 2, "")}


def make_bank() -> ExampleBank:
    """Every function × category × phrasing × length × keyword position, once."""
    cells = itertools.product(
        ("search", "generate"),
        ("icon", "image", "font"),
        ("fragment", "question"),
        (2, 5, 9),
        ("start", "end"),
    )
    strata = {}
    for number, (function, category, phrasing, words, position) in enumerate(cells):
        query = " ".join([f"w{number}", *["word"] * (words - 1)])
        strata[query] = Stratum("text", function, category, "en", str(words), phrasing, position)
    examples = [
        Example(function=s.function, category=s.category, query=query, nodes={"A": "b"}) for query, s in strata.items()
    ]
    examples += [Example(function="search", category="icon", query="ein bild", nodes={"A": "b"}, language="de")]
    strata["ein bild"] = Stratum("text", "search", "icon", "de", "2", "fragment", "absent")
    return ExampleBank.build(examples, lambda example: strata[example.query])


@pytest.fixture(scope="module")
def bank() -> ExampleBank:
    return make_bank()


def test_chosen_examples_look_like_the_slot(bank: ExampleBank, stratum: Stratum) -> None:
    measured = {example.query: measured for example, measured in bank.measured}
    chosen = bank.choose(stratum, 3)
    assert len({example.query for example in chosen}) == 3
    assert {(example.function, example.language) for example in chosen} == {("search", "en")}
    assert {measured[example.query].phrasing for example in chosen} == {"fragment"}
    assert {measured[example.query].keyword_position for example in chosen} == {"end"}
    assert {example.category for example in chosen} == {"icon", "image", "font"}
    assert measured[chosen[-1].query].length == "5", "the most alike one comes last"


def test_choice_is_fixed_for_a_kind_of_stratum_whatever_else_was_asked(stratum: Stratum) -> None:
    first, second = make_bank(), make_bank()
    second.choose(replace(stratum, function="generate"), 4)
    second.choose(stratum, 2)
    assert first.choose(stratum, 4) == first.choose(stratum, 4) == second.choose(stratum, 4)
    other = replace(stratum, category="font", route="vision")
    assert first.choose(other, 4) == first.choose(stratum, 4)
    assert first.choose(replace(stratum, phrasing="question"), 4) != first.choose(stratum, 4)


def test_few_or_no_examples_are_no_error(bank: ExampleBank, stratum: Stratum) -> None:
    assert [example.query for example in bank.choose(replace(stratum, language="de"), 4)] == ["ein bild"]
    assert bank.choose(replace(stratum, language="fr"), 4) == []
    assert bank.choose(stratum, 0) == []
    assert ExampleBank.build([], lambda example: stratum).choose(stratum, 4) == []


def test_queries_of_the_bank_are_known_in_any_case(stratum: Stratum) -> None:
    bank = ExampleBank.build([Example.model_validate({**LINE, "query": "Kite Icon"})], lambda _: stratum)
    assert bank.queries == {"kite icon"}
