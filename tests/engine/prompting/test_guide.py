"""The rails: whatever a server with guided decoding can write along them is what the stratum asks for."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.prompting.guide import build_pattern, guide_schema, has_room
from routenator.engine.routing.targets import KEYWORD_POSITIONS, PHRASINGS, parse_length_band, place_of_keyword
from routenator.engine.sample import ANY, Stratum

SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
KEYWORDS = ("icon", "symbol", "app icon", "c++ (set)")


@st.composite
def strata(draw: st.DrawFn) -> Stratum:
    low = draw(st.integers(1, 12))
    high = draw(st.integers(low, low + 12))
    return Stratum(
        "text",
        "search",
        "icon",
        length=f"{low}-{high}",
        phrasing=draw(st.sampled_from(PHRASINGS)),
        keyword_position=draw(st.sampled_from((*KEYWORD_POSITIONS, ANY))),
    )


openings = st.sampled_from(["", "find", "can you find", "i'm looking for", "what (if)"])
keyword_lists = st.sampled_from([(), KEYWORDS[:1], KEYWORDS[:2], KEYWORDS])


def write(data: st.DataObject, pattern: str) -> str:
    """A text along the rails."""
    return data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)).strip("\n")


def places_keyword(stratum: Stratum, opening: str, keywords: tuple[str, ...]) -> bool:
    asked = stratum.keyword_position in KEYWORD_POSITIONS[:3]
    return asked and bool(keywords) and has_room(stratum, opening, with_keyword=True)


@settings(max_examples=60, deadline=None)
@given(strata(), openings, keyword_lists, st.integers(0, 2**31), st.data())
def test_text_along_the_rails_opens_names_and_ends_as_asked(
    stratum: Stratum, opening: str, keywords: tuple[str, ...], seed: int, data: st.DataObject
) -> None:
    text = write(data, build_pattern(stratum, keywords, opening, random.Random(seed)))
    assert text.startswith(opening)
    assert text.endswith("?") == (stratum.phrasing == "question")
    if places_keyword(stratum, opening, keywords):
        assert any(keyword in text for keyword in keywords)
    assert text == " ".join(text.split()), "single spaces, none at the ends"


def test_a_keyword_that_has_no_room_leaves_its_place_to_one_that_has():
    stratum = Stratum("text", "search", "icon", length="1-1", phrasing="fragment", keyword_position="start")
    for seed in range(20):
        assert "icon|symbol" in build_pattern(stratum, KEYWORDS, "", random.Random(seed))


@settings(max_examples=60, deadline=None)
@given(strata(), openings, st.integers(0, 2**31), st.data())
def test_text_without_a_placed_keyword_has_a_length_of_the_band(
    stratum: Stratum, opening: str, seed: int, data: st.DataObject
) -> None:
    low, high = parse_length_band(stratum.length)
    text = write(data, build_pattern(stratum, (), opening, random.Random(seed)))
    lead = len(opening.split())
    assert max(low, lead + 1) <= len(text.split()) <= max(high, lead + 1)


@pytest.mark.parametrize("position", KEYWORD_POSITIONS[:3])
def test_rails_with_a_placed_keyword_let_no_other_length_pass(position: str) -> None:
    stratum = Stratum("text", "search", "icon", length="6-6", phrasing="fragment", keyword_position=position)
    pattern = build_pattern(stratum, ("icon",), "", random.Random(1))
    passed = {
        words
        for words in range(1, 15)
        for place in range(words)
        if re.fullmatch(pattern, " ".join(["word"] * place + ["icon"] + ["word"] * (words - place - 1)))
    }
    assert passed == {6}


@settings(max_examples=200, deadline=None)
@given(strata(), openings, st.integers(0, 2**31))
def test_keyword_can_stand_where_it_is_asked_for(stratum: Stratum, opening: str, seed: int) -> None:
    if not places_keyword(stratum, opening, KEYWORDS[:1]):
        return
    pattern = re.compile(build_pattern(stratum, KEYWORDS[:1], opening, random.Random(seed)))
    low, high = parse_length_band(stratum.length)
    lead = opening.split()
    mark = "?" if stratum.phrasing == "question" else ""

    def fits(words: int, place: int) -> bool:
        text = [*lead, *["word"] * (words - len(lead))]
        text[place] = "icon"
        return pattern.fullmatch(" ".join(text) + mark) is not None

    right = [
        fits(words, place)
        for words in range(low, high + 1)
        for place in range(len(lead), words)
        if place_of_keyword(place, place + 1, words) == stratum.keyword_position
    ]
    assert any(right)


@settings(max_examples=60, deadline=None)
@given(strata(), openings, keyword_lists, st.integers(0, 2**31))
def test_rails_end_and_are_the_same_for_the_same_seed(
    stratum: Stratum, opening: str, keywords: tuple[str, ...], seed: int
) -> None:
    pattern = build_pattern(stratum, keywords, opening, random.Random(seed))
    assert pattern == build_pattern(stratum, keywords, opening, random.Random(seed))
    assert not re.search(r"(?<!\\)[+*]|\{\d+,\}", pattern), "no endless repetition"
    _, high = parse_length_band(stratum.length)
    babble = " ".join([opening, *["word"] * (3 * high + 20)])
    assert re.fullmatch(pattern, babble) is None


def test_drawn_lengths_fill_the_band() -> None:
    stratum = Stratum("text", "search", "icon", length="4-9", phrasing="fragment", keyword_position="end")
    patterns = {build_pattern(stratum, ("icon",), "", random.Random(seed)) for seed in range(100)}
    for words in range(4, 10):
        text = " ".join([*["word"] * (words - 1), "icon"])
        assert any(re.fullmatch(pattern, text) for pattern in patterns), words


def test_schema_is_copied_and_gets_the_pattern() -> None:
    stratum = Stratum("text", "search", "icon", length="4-6", phrasing="fragment", keyword_position="end")
    guided = guide_schema(SCHEMA, stratum, ("icon",), "", 1)
    assert "pattern" not in SCHEMA["properties"]["query"]  # type: ignore[index]
    assert guided["properties"]["query"]["type"] == "string"
    assert re.compile(guided["properties"]["query"]["pattern"])
    assert guided["required"] == ["query"]


def test_stratum_without_a_length_has_no_rails() -> None:
    assert guide_schema(SCHEMA, Stratum("text", "search", "icon"), ("icon",), "", 1) is SCHEMA
