"""Prompts of functions whose arguments are spoken: which serve, which examples they show, which values they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.bench import BOOKING, SPOKEN, TEXT, TINY, load_once

from routenator.engine.prompting.examples import Example, example_kind
from routenator.engine.prompting.library import PromptLibrary
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.sample import ANY, Grounding, Stratum

WritePrompt = Callable[..., Path]
FRAMES = "functions: [book]\nrules:\n  query: ['book {a:place} in {city}', 'a table in {city}, please']\n"
JUDGE = """\
---
modality: judge
schema:
  type: object
  properties: {label: {type: integer}}
  required: [label]
---
## user
{{ language }}
"""
SPEAKING = Stratum("heuristic", "book", "none", phrasing="imperative")


@pytest.fixture
def library(tmp_path: Path, write_prompt: WritePrompt) -> PromptLibrary:
    """A plain grammar, one of frames, one whose functions are of both kinds, and a template for all."""
    write_prompt("heuristic/plain.yaml", content="rules:\n  query: ['{subject} {keyword}']\n")
    write_prompt("heuristic/frames.yaml", content=FRAMES)
    write_prompt("heuristic/both.yaml", content="functions: [book, search]\nrules:\n  query: ['{subject}']\n")
    write_prompt("text/all.md")
    write_prompt("judge/rubric.md", content=JUDGE)
    return PromptLibrary.load([tmp_path], ("UserIntent", "Action"), {"book": frozenset({"place", "city"})})


def test_a_plain_grammar_never_serves_a_spoken_function_nor_frames_a_plain_one(library: PromptLibrary) -> None:
    assert [prompt.name for prompt in library.serving(SPEAKING)] == ["heuristic/frames"]
    plain = replace(SPEAKING, function="search")
    assert [prompt.name for prompt in library.serving(plain)] == ["heuristic/both", "heuristic/plain"]
    for stratum in (SPEAKING, plain):
        assert [prompt.name for prompt in library.serving(replace(stratum, route="text"))] == ["text/all"]
        names = {prompt.name for seed in range(30) if (prompt := library.choose(stratum, seed * 2**48))}
        assert names <= {prompt.name for prompt in library.serving(stratum)}


def test_a_grammar_that_does_not_serve_still_lends_its_sentences(library: PromptLibrary) -> None:
    restricted = library.restrict(["text/all"])
    assert sorted(restricted.prompts) == ["judge/rubric", "text/all"]
    assert restricted.serving(SPEAKING) == []
    assert [grammar.name for grammar in restricted.drafts["book"]] == ["heuristic/frames"]
    assert restricted.literal_texts() == library.literal_texts()
    words = " ".join(library.literal_texts()).split()
    assert {"book", "table", "in"} <= set(words) and "subject" not in words


def test_without_spoken_functions_there_are_no_drafts(tmp_path: Path, write_prompt: WritePrompt) -> None:
    write_prompt("heuristic/plain.yaml", content="rules:\n  query: ['{subject}']\n")
    library = PromptLibrary.load([tmp_path], ("UserIntent", "Action"))
    assert (library.drafts, library.literal_texts()) == ({}, ())


def test_examples_of_a_spoken_slot_are_chosen_by_phrasing_alone() -> None:
    kinds = {
        example_kind(replace(BOOKING, length=length, arguments=arguments, keyword_position=position))
        for length in ("3-4", "9-12")
        for arguments in ("city", "city+place", "none")
        for position in ("start", "absent")
    }
    assert kinds == {("book_table", "en", "imperative", ANY, ANY)}
    assert example_kind(replace(BOOKING, phrasing="question")) not in kinds


def test_examples_of_a_plain_slot_are_chosen_by_length_and_place_too() -> None:
    assert example_kind(replace(TEXT, length="3-4")) != example_kind(replace(TEXT, length="5-6"))
    assert example_kind(replace(TEXT, keyword_position="end")).keyword_position == "end"


def test_arguments_are_variables_by_name_and_value() -> None:
    pack, values = load_once(SPOKEN), {"place": "cafe", "city": "Porto"}
    said = [{"name": "place", "value": "cafe"}, {"name": "city", "value": "Porto"}]
    variables = sample_variables(pack, BOOKING, Grounding((), ()), values, "", "", None)
    assert variables["arguments"] == said
    assert variables["category_description"] == "A place to eat a whole meal."
    example = Example(function="book_table", category="none", query="a cafe in Porto", arguments=values)
    shown = example_variables(pack, BOOKING, example, 1)
    assert (shown["arguments"], shown["answer"]) == (said, {"query": "a cafe in Porto"})
    assert (shown["category"], shown["category_description"], shown["max_words"]) == ("none", "", 4)


def test_a_plain_slot_has_no_arguments() -> None:
    variables = sample_variables(load_once(TINY), TEXT, Grounding((), ()), {}, "icon", "", None)
    assert variables["arguments"] == []
