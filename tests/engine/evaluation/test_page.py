import importlib.util
from dataclasses import replace

import pytest

from routenator.engine.evaluation.calls import Call
from routenator.engine.evaluation.confusion import MOST_CLASSES, REST, _fold_rare, draw_confusion
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.html import Page, group_errors, render_page
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.predictions import Prediction
from routenator.engine.evaluation.result import Facts, build_result, find_errors
from routenator.engine.evaluation.scores import Scoring, score_rows

HOSTILE = '</title><script>x</script>"\x1b[2J\u202e$x$'


def make_page(query="cat", text="{", function="search", picture=None):
    rows = [GoldenRow("1", query, Call(function, {"text": "cat"}), language=function)]
    predictions = [Prediction("1", text)]
    replies = [prediction.parse() for prediction in predictions]
    errors = find_errors(rows, predictions, replies, ValueFolding())
    result = build_result(rows, predictions, score_rows(rows, replies, Scoring()), errors)
    facts = Facts(query, {}, {"file": query, "sha256": "0", "rows": 1}, {}, query, "1")
    return Page(query, facts, result, errors, None, picture)


def test_hostile_text_is_shown_and_not_obeyed():
    page = render_page(make_page(HOSTILE, "{" + HOSTILE, HOSTILE))
    assert "<script" not in page
    assert "\x1b" not in page and "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_values_that_few_writers_can_write_are_shown():
    nested = "[" * 40 + "]" * 40
    answer = f'{{"name": "search", "arguments": {{"a": 99999999999999999999999, "b": ["\\ud800"], "c": {nested}}}}}'
    page = render_page(make_page(text=answer))
    assert "99999999999999999999999" in page
    assert "\\ud800" in page


def test_the_page_is_one_file_that_asks_for_nothing():
    page = render_page(make_page(picture=b"\x89PNG"))
    assert "default-src 'none'" in page
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_perfect_model_has_no_errors_to_show():
    perfect = make_page(text='{"name": "search", "arguments": {"text": "cat"}}')
    assert "Every row is an exact match." in render_page(perfect)
    assert render_page(perfect) == render_page(replace(perfect))


def test_the_same_errors_stand_together_the_most_frequent_first():
    errors = [{"kind": "missed_call", "detail": detail, "id": n} for n, detail in enumerate("abbbb")]
    groups = group_errors(errors)
    assert [(group.detail, group.rows, len(group.examples)) for group in groups] == [("b", 4, 3), ("a", 1, 1)]


def test_rare_classes_are_one_row_of_the_picture():
    confusion = {f"f{n:03}": {f"f{n:03}": 100 - n, "f099": 1, "(no call)": 1} for n in range(100)}
    folded = _fold_rare(confusion)
    assert len(folded) == MOST_CLASSES
    assert list(folded)[-1] == REST
    assert sum(sum(row.values()) for row in folded.values()) == sum(sum(row.values()) for row in confusion.values())


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="the picture needs matplotlib")
@pytest.mark.parametrize("classes", [1, 3, 60])
def test_the_picture_is_drawn_for_few_and_many_classes_with_any_names(classes):
    confusion = {f"$\\frac{n}{HOSTILE}" * 3: {f"$\\frac{n}{HOSTILE}" * 3: 1, "(no call)": n} for n in range(classes)}
    assert draw_confusion(confusion).startswith(b"\x89PNG")
