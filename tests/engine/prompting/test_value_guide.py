"""Patterns that hold spoken values: whatever a server makes of one has the values, in order, and the right length."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.prompting.value_guide import build_value_pattern, guide_values
from routenator.engine.sample import ANY, Stratum
from routenator.engine.validation.spans import find_spans
from routenator.engine.validation.words import count_words

VALUES = ("Lisbon", "New York", ".38 Special", "AC/DC", "stand-up call", "7:30 am", "Salt & Pepa", "(What's) Next?")
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "other": {"type": "integer"}},
    "required": ["query"],
}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_match_says_the_values_in_order_and_has_a_length_of_the_band(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3, unique=True), label="values")
    count = len(values) + 1
    gaps = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count), label="gaps")
    spoken = sum(map(count_words, values))
    low = data.draw(st.integers(1, spoken + 9), label="low")
    high = max(low, spoken) + data.draw(st.integers(0, 4), label="above")
    phrasing = data.draw(st.sampled_from(("question", "imperative", "fragment")))
    opening = data.draw(st.sampled_from(("", "please", "can you play", "I would like to")))
    stratum = Stratum("text", "play", "none", length=f"{low}-{high}", phrasing=phrasing)
    words = data.draw(st.sampled_from(((), ("a", "for", "what's"))), label="words")
    seed = data.draw(st.integers(0, 10**6), label="seed")
    pattern = build_value_pattern(stratum, values, gaps, opening, words, random.Random(seed))
    said = data.draw(st.from_regex(pattern, fullmatch=True), label="said")
    assert low <= count_words(said) <= high
    at = 0
    for value in values:
        assert value in said[at:]
        at = said.index(value, at) + len(value)
    assert phrasing != "question" or said.endswith("?")
    assert not find_spans(said, {value: value for value in values}).missing


@given(seed=st.integers(0, 10**6))
def test_an_opening_stands_first_where_it_has_room_and_is_left_out_where_not(seed: int) -> None:
    stratum = Stratum("text", "play", "none", length="6-9", phrasing="imperative")
    roomy = build_value_pattern(stratum, ["Lisbon"], [4, 2], "please book", (), random.Random(seed))
    assert roomy.startswith("^please book ")
    tight = build_value_pattern(stratum, ["Lisbon"], [0, 6], "please book it now", (), random.Random(seed))
    assert "please" not in tight


def test_gaps_may_be_a_word_off_and_a_band_of_one_leaves_no_room() -> None:
    exact = Stratum("text", "play", "none", length="4-4", phrasing="fragment")
    patterns = {build_value_pattern(exact, ["Lisbon"], [2, 1], "", (), random.Random(seed)) for seed in range(20)}
    assert len(patterns) == 1
    free = Stratum("text", "play", "none", length=ANY)
    assert "{1,3}" in build_value_pattern(free, ["Lisbon"], [2, 1], "", (), random.Random(1))


def test_the_schema_gets_the_pattern_and_keeps_the_rest() -> None:
    stratum = Stratum("text", "play", "none", length="3-6")
    guided = guide_values(SCHEMA, stratum, ["Lisbon"], [2, 1], "", (), 5)
    query = guided["properties"].pop("query")
    assert query["type"] == "string" and "Lisbon" in query["pattern"]
    assert guided == {**SCHEMA, "properties": {"other": {"type": "integer"}}}
    assert "pattern" not in SCHEMA["properties"]["query"]  # type: ignore[index]
    again = guide_values(SCHEMA, stratum, ["Lisbon"], [2, 1], "", (), 5)
    assert again["properties"]["query"] == query
