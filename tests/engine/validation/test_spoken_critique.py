"""The critique of rows whose arguments are spoken, on the spoken pack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes.bench import BOOKING, SPOKEN, load_once, load_outside

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Candidate, Finding, Grounding, NodeRef, Stratum
from routenator.engine.validation.consistency import ConsistencyCheck
from routenator.engine.validation.critic import Critic
from routenator.engine.validation.fluency import FluencyCheck
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords
from routenator.engine.validation.rules import check_rules

WALK = Grounding(
    (
        NodeRef("place_restaurant", "Place", "restaurant", "place"),
        NodeRef("city_lisbon", "City", "Lisbon", "city"),
    ),
    (),
)
VALUES = {"place": "restaurant", "city": "Lisbon"}
GOOD = "Book a restaurant in Lisbon"


@pytest.fixture(scope="module")
def spoken() -> DomainPack:
    return load_once(SPOKEN)


@pytest.fixture(scope="module")
def outside() -> OutsideWords:
    return load_outside(SPOKEN)


def codes(pack: DomainPack, query: str, stratum: Stratum = BOOKING, values: dict[str, str] | None = None) -> list[str]:
    candidate = Candidate(query, VALUES if values is None else values)
    return [
        finding.code
        for finding in check_rules(
            candidate, stratum, WALK, pack, Lexicon.from_pack(pack), outside=load_outside(SPOKEN)
        )
    ]


def test_words_of_grammars_examples_and_requests_may_stand_around_values(outside: OutsideWords) -> None:
    said = {"somewhere", "hungry", "sunny", "wake", "reserve", "please", "thanks", "could", "where", "my"}
    assert said <= outside.carrier
    assert not {"porto", "kyoto", "cafe", "noon", "friday"} & outside.carrier


def test_names_are_those_of_the_functions_own_arguments_and_no_carrier(outside: OutsideWords) -> None:
    booking, alarm = outside.named["book_table"], outside.named["set_alarm"]
    assert {"lisbon", "york", "usa", "eatery", "shop", "noon"} <= booking
    assert {"laundry", "friday", "noon"} <= alarm
    assert not {"laundry", "friday"} & booking and "lisbon" not in alarm
    assert not (booking | alarm) & outside.carrier
    assert "in" not in booking  # of "eight in the evening"


def test_phrases_say_the_arguments_of_their_function(outside: OutsideWords) -> None:
    words = "a coffee shop in new york at noon".split()
    assert dict(outside.closed.find("book_table", words)) == {
        ("coffee", "shop"): {"place"},
        ("new", "york"): {"city"},
        ("noon",): {"time"},
    }
    assert dict(outside.closed.find("set_alarm", words)) == {("noon",): {"time"}}


def test_a_good_row_has_no_finding(spoken: DomainPack) -> None:
    assert codes(spoken, GOOD) == []


@pytest.mark.parametrize(
    ("query", "axes", "values", "expected"),
    [
        ("Book a restaurant, Porto", {}, None, ["value_missing", "unlabelled", "length"]),
        ("Book a restaurant in Lisbon for noon", {}, None, ["absent_argument", "unlabelled"]),
        ("book an restaurant in Lisbon near Kyoto", {}, None, ["article", "unlabelled", "casing"]),
        ("can you book a restaurant in Lisbon?", {"punctuation": "none"}, None, ["phrasing", "casing", "punctuation"]),
        ("Book a restaurant", {}, {"place": "restaurant"}, ["schema", "length"]),
        (f"{GOOD}.", {"punctuation": "none"}, None, ["punctuation"]),
        (GOOD, {"punctuation": "final"}, None, ["punctuation"]),
    ],
)
def test_findings_come_in_the_order_of_their_weight(
    spoken: DomainPack, query: str, axes: dict[str, str], values: dict[str, str] | None, expected: list[str]
) -> None:
    assert codes(spoken, query, replace(BOOKING, **axes), values) == expected


def test_only_the_category_arguments_node_speaks_of_the_category(spoken: DomainPack) -> None:
    elsewhere = [
        replace(node, categories=frozenset({"cafe"})) if node.id == "city_lisbon" else node for node in spoken.nodes
    ]
    assert codes(replace(spoken, nodes=tuple(elsewhere)), GOOD) == []
    assert codes(spoken, GOOD, replace(BOOKING, category="cafe"))[0] == "category_not_allowed"


def test_every_arguments_node_must_serve_the_function(spoken: DomainPack) -> None:
    other = [
        replace(node, functions=frozenset({"set_alarm"})) if node.id == "city_lisbon" else node for node in spoken.nodes
    ]
    assert codes(replace(spoken, nodes=tuple(other)), GOOD)[0] == "function_not_allowed"


class SilentEncoder:
    """Says that nothing is alike, and counts how often it was asked."""

    calls = 0

    async def encode(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        return np.zeros((len(texts), 4), dtype=np.float32)


async def test_values_that_were_spoken_are_not_compared_by_meaning(spoken: DomainPack) -> None:
    encoder = SilentEncoder()
    critic = Critic(spoken, Lexicon.from_pack(spoken), ConsistencyCheck(spoken, encoder, 0.9))  # type: ignore[arg-type]
    critique, completions = await critic.critique(Candidate(GOOD, VALUES), BOOKING, WALK)
    assert (critique.decision, critique.scores, completions, encoder.calls) == ("accept", {}, (), 0)


@pytest.mark.parametrize(
    ("noise", "query", "expected"),
    [
        ("none", "Book a smart restaurant in Lisbon", []),
        ("none", "Book a smrat restaurant in Lisbon", ["unknown_word"]),
        ("typo", "Book a smrat restaurant in Lisbon", []),
        ("typo", "Book a smrat restuarnt restaurant in Lisbon", ["unknown_word"]),
    ],
)
def test_a_misspelt_word_is_known_where_the_slot_asks_for_one(
    spoken: DomainPack, noise: str, query: str, expected: list[str]
) -> None:
    words = frozenset("book a smart restaurant in lisbon".split())
    critic = Critic(spoken, Lexicon.from_pack(spoken), fluency=FluencyCheck(None, words))
    findings: tuple[Finding, ...] = critic.check(Candidate(query, VALUES), replace(BOOKING, noise=noise), WALK)
    assert [finding.code for finding in findings] == expected
