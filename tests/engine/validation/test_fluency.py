"""Made-up words and words that the model was forced to say."""

from __future__ import annotations

import pytest

from routenator.engine.domain.pack import DomainPack
from routenator.engine.validation.fluency import FluencyCheck, pack_words

WORDS = frozenset("find a red kite icon for the beach city".split())


def codes(query: str, min_logprob: float | None = None, check: FluencyCheck | None = None) -> list[str]:
    found = (check or FluencyCheck(-7.0, WORDS)).check(query, min_logprob)
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    "query", ["find a red kite icon", "red kites for the city's beaches", "2 kite icons", "Red-kite"]
)
def test_known_words_pass_in_any_simple_form(query: str) -> None:
    assert codes(query) == []


@pytest.mark.parametrize("query", ["red kitegoza", "find a redkite", "aoifei beach"])
def test_made_up_word_is_refused_by_name(query: str) -> None:
    assert codes(query) == ["unknown_word"]


def test_a_slot_for_misspelt_words_may_have_one() -> None:
    check = FluencyCheck(-7.0, WORDS)
    assert check.check("find a redd kite", None, misspelt=1) == ()
    assert check.check("fnid a redd kite", None, misspelt=1)


def test_word_that_the_model_would_not_have_said_is_refused() -> None:
    assert codes("find a red kite", -7.5) == ["unlikely_word"]
    assert codes("find a red kite", -6.5) == []


def test_later_rounds_are_less_strict_about_likelihood_and_not_about_words() -> None:
    check = FluencyCheck(-7.0, WORDS)
    assert [bool(check.check("find a red kite", -11.0, refill_round)) for refill_round in (0, 1, 2)] == [
        True,
        True,
        False,
    ]
    assert check.check("find a redkite", -1.0, 5)


def test_server_that_gives_no_log_probabilities_is_not_held_against_a_query() -> None:
    assert codes("find a red kite", None) == []


def test_either_part_can_be_left_out() -> None:
    assert codes("zzyzx", -20.0, FluencyCheck(None, None)) == []


def test_pack_knows_its_own_words_and_those_of_the_examples(pack: DomainPack) -> None:
    words = pack_words(pack, ["some zeppelin query"])
    assert "zeppelin" in words
    assert all(word in words for node in pack.nodes for word in node.label.casefold().split() if word.isalpha())
