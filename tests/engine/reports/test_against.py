import io
import json
import math
import random
import re
from pathlib import Path

import pytest
from fakes.population import NAMES, declare, draw_row
from rich.console import Console

from routenator.engine.population.queries import QueryFile, RealQuery
from routenator.engine.reports.against import compare_queries
from routenator.engine.reports.against_classifier import area_under_curve, tell_apart
from routenator.engine.reports.against_leakage import RealSpans, check_leakage
from routenator.engine.reports.against_terminal import print_against, print_against_summary
from routenator.engine.validation.words import fold_words

OWN_WORDS = "amber basin cedar delta ember fjord grove haven islet jetty kiosk ledge manor nectar orbit petal".split()


def draw(count, seed, language="en"):
    generator = random.Random(seed)
    rows = [draw_row(generator) for _ in range(count)]
    return [
        RealQuery(line, row["query"], language, row["function"], True, {k: (v,) for k, v in row["args"].items()})
        for line, row in enumerate(rows, 1)
    ]


def compare(synthetic, real, texts=None):
    rows = {f"{slot}.0": row for slot, row in enumerate(synthetic)}
    return compare_queries(rows, QueryFile(Path("real.jsonl"), "0" * 64, tuple(real)), declare(), texts or {}, (), None)


def sentences(count, seed):
    """Queries of eight words with nothing in common but their words."""
    generator = random.Random(seed)
    return [(line, " ".join(generator.choices(OWN_WORDS, k=8))) for line in range(1, count + 1)]


def test_two_samples_of_one_population_cannot_be_told_apart():
    against = compare(draw(200, 1), draw(200, 2))
    assert not against.is_leak
    for test in against.tests:
        assert 0.4 < test.auc < 0.6
    distances = {distance.axis: distance for distance in against.axes}
    assert distances["function"].js_distance < 3 * distances["function"].js_by_chance
    assert distances["function"].p_value > 0.001


def test_another_population_is_told_apart_and_its_axes_are_named():
    other = [
        RealQuery(line, f"please find {text.upper()}", "en", "search", True, {}) for line, text in sentences(200, 3)
    ]
    against = compare(other, draw(200, 2))
    assert not against.is_leak
    assert all(test.low > 0.95 for test in against.tests)
    distances = {distance.axis: distance for distance in against.axes}
    assert distances["function"].js_distance == pytest.approx(1)
    assert distances["casing"].js_distance > 0.8
    assert against.vocabulary.shared == 0


def test_nothing_of_a_real_query_is_in_the_report():
    real = [RealQuery(r.line, r.query, "en", r.function, True, r.arguments) for r in draw(100, 2)]
    other = [RealQuery(n, text, "en", "search", True, {}) for n, text in sentences(100, 3)]
    against = compare(other, real)
    written = json.dumps(against.to_json())
    screen = io.StringIO()
    print_against(against, Console(file=screen, width=80))
    for text in (written, screen.getvalue()):
        assert not [name for name in NAMES if name in fold_words(text)]


def test_the_section_fits_eighty_columns():
    against = compare(draw(60, 1), draw(60, 2))
    whole, short = io.StringIO(), io.StringIO()
    print_against(against, Console(file=whole, width=80))
    print_against_summary(against, Console(file=short, width=80))
    assert max(map(len, (whole.getvalue() + short.getvalue()).splitlines())) <= 80
    assert len(short.getvalue().splitlines()) < 25
    assert "No leak found" in short.getvalue()


def test_one_copied_query_is_a_leak_wherever_it_stands():
    real = sentences(300, 4)
    index = RealSpans(real)
    texts = dict(zip(map(str, range(300)), (text for _, text in sentences(300, 5)), strict=True))
    assert not check_leakage("rows", texts, index, is_strict=False).is_leak
    texts["7"] = real[41][1].title() + "!"
    found = check_leakage("rows", texts, index, is_strict=False)
    assert found.is_leak
    assert (found.matches[0].kind, found.matches[0].text, found.matches[0].line) == ("same", "7", 42)
    assert check_leakage("few-shot examples", {"a": real[3][1]}, index, is_strict=True).is_leak
    embedded = f"Such as: '{real[3][1]}', or the like"
    assert check_leakage("prompts", {"a": embedded}, index, is_strict=True).is_leak


def test_a_copy_may_be_chance_among_queries_whose_own_copies_were_taken_out():
    real = sentences(300, 4)
    real += [(300 + n, f"{text} please") for n, text in real[:30]]
    index = RealSpans(real)
    texts = dict(zip(map(str, range(600)), (text for _, text in sentences(600, 5)), strict=True))
    texts["7"] = real[41][1]
    found = check_leakage("rows", texts, index, is_strict=False)
    assert not found.is_leak
    assert (found.matches[0].kind, found.matches[0].text) == ("same", "7"), "but it is named"
    assert check_leakage("rows", texts | {"8": real[42][1]}, index, is_strict=False).is_leak


def test_a_copy_of_a_formula_may_be_chance_where_the_rows_have_it_with_other_words_too():
    index = RealSpans(sentences(300, 4))
    words = index.words(41)
    texts = {str(n): text for n, text in sentences(600, 5)}
    copied = texts | {"copy": " ".join(words)}
    assert check_leakage("rows", copied, index, is_strict=False).is_leak, "nothing else is like it"
    filled = {f"filled-{n}": " ".join([*words[:3], f"zebra{n}", *words[5:]]) for n in range(3)}
    found = check_leakage("rows", copied | filled, index, is_strict=False)
    assert not found.is_leak
    assert (found.matches[0].kind, found.matches[0].text) == ("same", "copy"), "but it is named"
    half = {f"half-{n}": " ".join([*words[:3], f"zebra{n} quartz jumps high and far"]) for n in range(3)}
    assert check_leakage("rows", copied | half, index, is_strict=False).is_leak, "less than half of it is the same"
    other = {"other copy": " ".join(index.words(42))} | {
        f"other-{n}": " ".join([*index.words(42)[:4], f"zebra{n}", *index.words(42)[6:]]) for n in range(3)
    }
    assert check_leakage("rows", copied | filled | other, index, is_strict=False).is_leak, "one copy in 500 rows"


def test_many_long_spans_are_a_leak_though_no_query_is_whole():
    real = sentences(300, 4)
    texts = {str(n): f"{' '.join(text.split()[:7])} zebra quartz" for n, text in real[:20]}
    found = check_leakage("rows", texts, RealSpans(real), is_strict=False)
    assert found.is_leak
    assert found.longest == 7


def test_what_several_real_queries_share_is_an_idiom():
    real = [(n, f"amber basin cedar delta ember {text}") for n, text in sentences(50, 4)]
    texts = {"a": "amber basin cedar delta ember and no more"}
    found = check_leakage("prompts", texts, RealSpans(real), is_strict=True)
    assert not found.is_leak
    assert found.longest == 0


def test_function_words_and_names_that_the_pack_knows_are_no_leak():
    real = [(1, "is it not the one that you would have"), (2, "show amber basin cedar delta ember fjord")]
    texts = {"a": "is it not the one that you would have been", "b": "hide amber basin cedar delta ember fjord"}
    assert check_leakage("prompts", texts, RealSpans(real), is_strict=True).longest == 6
    known = RealSpans(real, ["Amber Basin Cedar Delta Ember Fjord"])
    assert check_leakage("prompts", texts, known, is_strict=True).longest == 0


def test_what_gives_rows_away_is_named_without_words_of_the_real_side():
    synthetic = [f"kindly {text}" for _, text in sentences(100, 6)]
    real = [f"{text} secretword?" for _, text in sentences(100, 7)]
    by_words, by_form = tell_apart(synthetic, real)
    assert by_words.auc == by_form.auc == 1
    assert "“kindly”" in by_words.synthetic_signs
    assert "ends with a question mark" in by_words.real_signs
    assert "secretword" not in str((by_words, by_form))


def test_too_few_rows_give_no_test():
    assert tell_apart(["a"] * 5, ["b"] * 100) == ()


def test_the_interval_of_the_area_covers_the_truth():
    import numpy as np

    generator = np.random.default_rng(1)
    # Normal scores that differ by one standard deviation: the area is Phi(1 / sqrt 2).
    hits = 0
    for _ in range(200):
        auc, low, high = area_under_curve(generator.normal(1, 1, 80), generator.normal(0, 1, 120))
        assert low <= auc <= high
        hits += low <= 0.7602 <= high
    assert 0.9 <= hits / 200 <= 0.99


def with_values(texts):
    return [
        RealQuery(line, f"add {text} now", "en", "search", True, {"title": (text,)})
        for line, text in enumerate(texts, 1)
    ]


def test_values_that_are_shorter_or_have_other_capitals_are_told():
    short, long = ["Amber", "Cedar Fjord"] * 20, ["amber basin of cedar", "the last fjord"] * 20
    (shape,) = compare(with_values(short), with_values(long)).values
    assert (shape.function, shape.argument, shape.rows, shape.real) == ("search", "title", 40, 40)
    assert (shape.words.synthetic, shape.words.real) == (1.5, 3.5)
    assert (shape.small.synthetic, shape.small.real) == (0, 1)
    assert shape.words.is_far
    assert shape.small.is_far
    screen = io.StringIO()
    print_against(compare(with_values(short), with_values(long)), Console(file=screen, width=80))
    assert re.search(r"search\.title +1\.5\* +3\.5 +0\.0 %\* +100\.0 %", screen.getvalue())


def test_values_of_two_samples_of_one_population_are_alike():
    shapes = compare(draw(300, 1), draw(300, 2)).values
    assert shapes
    assert not [shape for shape in shapes if shape.words.is_far or shape.small.is_far]


def test_values_without_letters_have_no_case_and_few_values_are_not_compared():
    (shape,) = compare(with_values(["12", "7 5"] * 10), with_values(["3"] * 20)).values
    assert math.isnan(shape.small.real)
    assert not shape.small.is_far
    assert compare(with_values(["Amber"] * 14), with_values(["Cedar"] * 50)).values == ()


def in_order(first, second, count):
    return [
        RealQuery(n, f"{first} then {second}", "en", "book", True, {"city": ("Porto",), "time": ("8 pm",)})
        for n in range(1, count + 1)
    ]


def test_arguments_that_are_said_in_another_order_are_told():
    rows = in_order("Porto", "8 pm", 20) + in_order("8 pm", "Porto", 20)
    real = in_order("8 pm", "Porto", 27) + in_order("Porto", "8 pm", 3)
    (share,) = compare(rows, real).order
    assert (share.function, share.first, share.second, share.rows, share.real) == ("book", "time", "city", 40, 30)
    assert (share.share.synthetic, share.share.real) == (0.5, 0.9)
    assert share.share.is_far
    screen = io.StringIO()
    print_against(compare(rows, real), Console(file=screen, width=80))
    assert re.search(r"book: time before city +50\.0 %\* +90\.0 %", screen.getvalue())
    assert not compare(rows, rows).order[0].share.is_far
    assert compare(rows, real[:14]).order == ()


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [("will there be rain here tonight", "rain", "here"), ("a table at 2 pm for 2", "2 pm", "2")],
)
def test_a_part_of_another_word_or_value_is_no_place_of_a_value(text, first, second):
    rows = [RealQuery(n, text, "en", "ask", True, {"zebra": (first,), "apple": (second,)}) for n in range(1, 16)]
    (share,) = compare(rows, rows).order
    assert (share.first, share.second, share.share.real) == ("zebra", "apple", 1)
