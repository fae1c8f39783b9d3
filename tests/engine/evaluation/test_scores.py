import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.evaluation.calls import NO_CALL, Call, ParsedReply
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.intervals import compare_models, estimate
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.roles import Roles
from routenator.engine.evaluation.scores import INVALID, METRICS, OTHER, Scoring, classification, score_rows

ROLES = Roles({"search": frozenset({"type"})}, {"search": frozenset({"prompt"})})
SCHEMAS = {
    "search": {"properties": {"type": {"type": "string"}, "prompt": {"type": "string"}}},
    "rate": {"properties": {"value": {"type": "integer"}, "of": {"type": "string"}}, "required": ["value", "of"]},
}
SUNSET = {"type": "image", "prompt": "red sunset"}


def rows(*calls):
    return [GoldenRow(str(n), "a query", call) for n, call in enumerate(calls)]


def replies(*calls):
    return [call if isinstance(call, ParsedReply) else ParsedReply((call,) if call else ()) for call in calls]


def score(golden, predicted, similarity=lambda pairs: [0.5] * len(pairs)):
    return score_rows(rows(*golden), replies(*predicted), Scoring(ROLES, similarity=similarity, schemas=SCHEMAS))


def figures(scores):
    weights = np.ones(len(scores.labels))
    return {name: metric(scores, weights) for name, metric in METRICS.items()}


def test_a_perfect_model_has_one_everywhere():
    calls = [Call("search", SUNSET), Call("rate", {"value": 5}), None]
    assert figures(score(calls, calls)) == dict.fromkeys(METRICS, 1.0)


def test_a_model_that_says_nothing_has_zero_where_something_was_wanted():
    found = figures(score([Call("search", SUNSET)], [None]))
    assert math.isnan(found.pop("json_validity"))  # no call was begun
    assert found.pop("ss_golden") == 0.5  # what an empty text has in common with the golden one
    assert found == dict.fromkeys(("f1", "f1_weighted", "cta", "ss", "exact_match", "ast_match", "slot_f1"), 0)


def test_arguments_of_a_wrong_function_count_for_nothing():
    found = figures(score([Call("search", SUNSET)], [Call("generate", SUNSET)]))
    assert found["cta"] == found["ss"] == found["slot_f1"] == 0


def test_no_call_is_a_class():
    scores = score([Call("search", SUNSET), None, None], [None, None, Call("search", SUNSET)])
    classes = classification(scores.labels, scores.predicted)
    assert classes[NO_CALL].recall == 0.5
    assert classes[NO_CALL].support == 2
    assert classes["search"].f1 == 0


def test_unreadable_replies_and_unknown_functions_are_wrong_whatever_they_hold():
    broken = ParsedReply((Call("search", SUNSET),), False, "the second call is cut off")
    scores = score([Call("search", SUNSET), Call("search", SUNSET)], [broken, Call("fly", {})])
    assert scores.predicted == (INVALID, OTHER)
    assert figures(scores)["json_validity"] == 0.5
    assert figures(scores)["exact_match"] == figures(scores)["f1"] == 0


def test_words_say_nothing_of_json_validity():
    broken = ParsedReply((), False, "cut off")
    scores = score([Call("search"), Call("search"), None], [Call("search"), broken, None])
    assert figures(scores)["json_validity"] == 0.5


def test_a_second_call_is_more_than_was_asked_for():
    twice = ParsedReply((Call("search", SUNSET), Call("rate", {"value": 5})))
    found = figures(score([Call("search", SUNSET)], [twice]))
    assert found["exact_match"] == found["ast_match"] == 0
    assert found["f1"] == found["cta"] == 1


def test_ast_match_asks_for_the_types_of_the_schema_and_exact_match_does_not():
    golden = Call("rate", {"value": "five"})
    assert figures(score([Call("rate", {"value": "5"})], [Call("rate", {"value": 5})]))["ast_match"] == 1
    found = figures(score([Call("rate", {"value": "5"})], [Call("rate", {"value": "5"})]))
    assert (found["ast_match"], found["exact_match"]) == (0, 1)
    found = figures(score([golden], [Call("rate", {"value": 5})]))
    assert (found["ast_match"], found["exact_match"]) == (0, 1)


def test_ast_match_takes_what_must_be_there_from_the_golden_call():
    golden = Call("rate", {"of": "it"})
    found = figures(score([golden, golden], [golden, Call("rate", {"of": "it", "value": 5})]))
    assert found["ast_match"] == 0.5


def test_macro_f1_counts_classes_alike_and_weighted_f1_counts_rows():
    golden = [Call("search"), Call("search"), Call("search"), Call("rate")]
    found = figures(score(golden, [Call("search")] * 4))
    search = 2 * 0.75 / 1.75
    assert found["f1"] == pytest.approx(search / 2)
    assert found["f1_weighted"] == pytest.approx(search * 3 / 4)


def test_cta_counts_a_category_that_nobody_asked_for_as_wrong():
    golden = Call("search", {"prompt": "red sunset"})
    assert figures(score([golden], [Call("search", SUNSET)]))["cta"] == 0
    assert math.isnan(figures(score([golden], [golden]))["cta"])


def test_similarity_is_asked_only_for_texts_that_differ():
    asked = []

    def similarity(pairs):
        asked.extend(pairs)
        return [0.25]

    golden = [Call("search", SUNSET), Call("search", SUNSET)]
    predicted = [Call("search", SUNSET), Call("search", {**SUNSET, "prompt": "sunset"})]
    assert figures(score(golden, predicted, similarity))["ss"] == pytest.approx((1 + 0.25) / 2)
    assert asked == [("red sunset", "sunset")]


def test_similarity_of_golden_arguments_compares_a_missing_one_as_empty_and_knows_no_needless_one():
    asked = []

    def similarity(pairs):
        asked.extend(pairs)
        return [0.25] * len(pairs)

    golden = [Call("search", SUNSET), Call("search", {"content_type": "image"})]
    predicted = [Call("search", {"content_type": "image"}), Call("search", SUNSET)]
    found = figures(score(golden, predicted, similarity))
    assert asked == [("red sunset", "")]
    assert found["ss_golden"] == 0.25
    assert found["ss"] == 0


def test_slot_f1_is_over_argument_value_pairs():
    golden = Call("search", {"type": "image", "prompt": "cat"})
    predicted = Call("search", {"type": "image", "prompt": "dog", "extra": "1"})
    assert figures(score([golden], [predicted]))["slot_f1"] == pytest.approx(2 * 1 / (2 + 3))


@pytest.mark.parametrize(
    ("golden", "predicted"),
    [
        ("The Rules of Survival", "the rules of survival"),
        ("  red   sunset ", "red sunset."),
        ("five", "5"),
        (5, "5"),
        (5.0, 5),
        ("“Blue”", "blue"),
        ("ﬁre", "fire"),
    ],
)
def test_case_spacing_and_form_make_no_difference(golden, predicted):
    assert ValueFolding().fold("x", golden) == ValueFolding().fold("x", predicted)


@pytest.mark.parametrize(("golden", "predicted"), [("5", "-5"), ("C", "C++"), ("cat", "cats"), ("", "a")])
def test_what_means_something_else_stays_different(golden, predicted):
    assert ValueFolding().fold("x", golden) != ValueFolding().fold("x", predicted)


def test_synonyms_are_folded_for_their_argument_only():
    folding = ValueFolding({"type": {"Photo": "image"}})
    assert folding.fold("type", "photo") == "image"
    assert folding.fold("prompt", "photo") == "photo"


def test_null_arguments_count_as_absent():
    assert ValueFolding().same_call(Call("search", {"type": "image"}), Call("search", {"type": "image", "x": None}))


def test_an_interval_holds_its_figure_and_narrows_with_rows():
    few = score([Call("search"), Call("rate")] * 10, [Call("search"), Call("search")] * 10)
    many = score([Call("search"), Call("rate")] * 200, [Call("search"), Call("search")] * 200)
    narrow, wide = estimate(many, resamples=300)["exact_match"], estimate(few, resamples=300)["exact_match"]
    assert wide.low <= wide.value == 0.5 <= wide.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_the_same_model_differs_from_itself_by_nothing():
    scores = score([Call("search"), Call("rate")] * 10, [Call("search"), None] * 10)
    difference = compare_models(scores, scores, resamples=100)["exact_match"]
    assert (difference.value, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_a_better_model_is_seen_to_be_better():
    golden = [Call("search")] * 60
    worse = score(golden, [None, Call("search")] * 30)
    better = score(golden, [Call("search")] * 59 + [None])
    difference = compare_models(worse, better, resamples=300)["exact_match"]
    assert difference.low > 0
    assert difference.p < 0.05


def test_models_are_not_compared_on_different_rows():
    with pytest.raises(ValueError, match="same golden rows"):
        compare_models(score([Call("search")], [None]), score([Call("rate")], [None]))


names = st.sampled_from(["search", "rate", None])


@given(st.lists(st.tuples(names, names), min_size=1, max_size=40))
def test_class_scores_agree_with_counting(pairs):
    golden = [Call(g) if g else None for g, _ in pairs]
    predicted = [Call(p) if p else None for _, p in pairs]
    scores = score(golden, predicted)
    for name, found in classification(scores.labels, scores.predicted).items():
        right = sum(g == p == name for g, p in zip(scores.labels, scores.predicted, strict=True))
        support = scores.labels.count(name)
        chosen = scores.predicted.count(name)
        assert found.support == support
        assert found.recall == pytest.approx(right / support)
        assert found.precision == pytest.approx(right / chosen if chosen else 0)
