import json
from dataclasses import replace
from itertools import pairwise

import pytest
import yaml
from fakes.population import NAMES, SHARES, declare

from routenator.engine.errors import InputError
from routenator.engine.population.fitting import fit_population
from routenator.engine.population.queries import read_queries
from routenator.engine.population.targets_file import write_targets
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.targets import Marginal, Table, Targets
from routenator.engine.sample import AXES
from routenator.engine.validation.words import fold_words

ALL_AXES = (*AXES, *(axis for axis in ("arguments", "casing", "noise") if axis not in AXES))
ROUTES = {"heuristic": 60, "text": 40}


def fit_rows(path, declared, axes=ALL_AXES, dictionary=None):
    return fit_population(read_queries(path), declared, ROUTES, (), dictionary, axes)


def read_tables(text):
    """The file's tables as fitted joint distributions, whatever axes `Targets` knows."""
    tables = []
    for table in yaml.safe_load(text)["tables"]:
        marginals = tuple(Marginal(**marginal) for marginal in table["marginals"])
        zero = [{a: (v,) if isinstance(v, str) else tuple(v) for a, v in z.items()} for z in table.get("zero", ())]
        tables.append(Table.model_construct(axes=tuple(table["axes"]), marginals=marginals, zero=tuple(zero)))
    return fit_targets(Targets.model_construct(tables=tuple(tables)))


def marginal_over(table, *axes):
    at = [table.axes.index(axis) for axis in axes]
    sums = {}
    for cell, share in table.share_by_cell.items():
        key = tuple(cell[i] for i in at)
        sums[key] = sums.get(key, 0.0) + share
    return sums


def test_shares_of_a_known_population_lie_within_their_intervals(declared, draw, write_rows):
    inside = total = 0
    for seed in range(20):
        fit = fit_rows(write_rows(draw(300, seed)), declared)
        truth = {("function", (), name): one["function"] for name, one in SHARES.items()}
        for name, one in SHARES.items():
            truth |= {("arguments", (name,), value): share for value, share in one["arguments"].items()}
        for axis in fit.axes:
            for share in axis.shares:
                if (axis.axis, share.given, share.value) in truth:
                    total += 1
                    inside += share.low <= truth[axis.axis, share.given, share.value] <= share.high
        casing = next(share for share in fit.summary["casing"] if share.value == "lower")
        total += 1
        inside += casing.low <= 0.6 <= casing.high
    assert total == 20 * 8
    assert inside / total >= 0.9


def test_the_file_holds_the_population_that_was_drawn(declared, draw, write_rows):
    text = write_targets(fit_rows(write_rows(draw(2_000, 1)), declared), "2026-01-01")
    tables = read_tables(text)
    joint = next(table for table in tables if "function" in table.axes)
    assert marginal_over(joint, "function")["play",] == pytest.approx(0.7, abs=0.03)
    arguments = marginal_over(joint, "function", "arguments")
    assert arguments["play", "artist+item"] == pytest.approx(0.35, abs=0.03)
    assert arguments["rate", "title"] == pytest.approx(0.06, abs=0.02)
    categories = marginal_over(joint, "function", "category")
    assert categories["play", "song"] == pytest.approx(0.7 * 0.7 * 0.6, abs=0.03)
    # The name of a category is there exactly where its argument is.
    for (combination, category), share in marginal_over(joint, "arguments", "category").items():
        assert ("item" in combination) == (category != "none"), (combination, share)
    for category, position in marginal_over(joint, "category", "keyword_position"):
        assert (category == "none") == (position == "absent")
    if "phrasing" in joint.axes:
        asked = marginal_over(joint, "function", "phrasing")
        assert asked["play", "question"] == pytest.approx(0.14, abs=0.03)
        assert asked.get(("rate", "question"), 0) < 0.003
    assert next(t for t in tables if t.axes == ("route",)).share_by_cell["text",] == pytest.approx(0.4)


def test_the_file_is_read_by_targets_with_the_axes_that_they_know(declared, draw, write_rows):
    text = write_targets(fit_rows(write_rows(draw(400, 2)), declared, axes=AXES), "2026-01-01")
    fitted = fit_targets(Targets.model_validate(yaml.safe_load(text)))
    assert {axis for table in fitted for axis in table.axes} <= set(AXES)


def test_no_text_of_a_query_is_in_what_comes_out(declared, draw, write_rows):
    rows = draw(500, 3)
    rows[0]["query"] += " while Nobody dances in the moonlit orchard"
    fit = fit_rows(write_rows(rows), declared, dictionary={"orchard", "moonlit", "dances"})
    written = write_targets(fit, "2026-01-01") + json.dumps(fit.to_json())
    words = fold_words(written.replace("_", " ").replace("+", " "))
    categories = {"song", "album"}
    # Names of the pack and figures stand beside one another: "play: {song: 60}".
    pairs = {
        pair for pair in pairwise(words) if any(w not in categories | SHARES.keys() and not w.isdigit() for w in pair)
    }
    for row in rows:
        own = fold_words(row["query"])
        assert not pairs & set(pairwise(own)), row["query"]
        for value in row["args"].values():
            assert value in categories or value.isdigit() or value not in written
    assert not any(name in written for name in NAMES)


def test_what_was_not_seen_is_said_and_not_invented(declared, draw, write_rows):
    rows = draw(60, 4)
    rows.append({"query": "play zorima 1999", "function": "play", "args": {"artist": "zorima", "year": "1999"}})
    fit = fit_rows(write_rows(rows), declared)
    seen = {("+".join(sorted(row["args"]))) for row in rows}
    arguments = next(axis for axis in fit.axes if axis.axis == "arguments")
    assert {share.value for share in arguments.shares} == seen
    assert any("seen once" in limit and "None is invented" in limit for limit in fit.limits)
    assert any("Fewer than 30 rows: rate" in limit for limit in fit.limits)


def test_without_labels_only_the_wording_is_estimated(declared, draw, write_rows):
    bare = [{"query": row["query"]} for row in draw(300, 5)]
    fit = fit_rows(write_rows(bare), declared)
    assert not {"function", "category", "arguments"} & {axis.axis for axis in fit.axes}
    assert any("No row names a function" in notice for notice in fit.notices)
    assert "length" in fit.summary and "function" not in fit.summary


def test_rows_that_cannot_be_used_are_counted(declared, draw, write_rows):
    rows = draw(100, 6)
    rows[0]["lang"] = "fr"
    rows[1]["function"] = None
    del rows[2]["function"]
    fit = fit_rows(write_rows(rows), declared)
    assert (fit.rows, fit.used) == (100, 97)
    assert sum("left out" in notice for notice in fit.notices) == 3


def test_a_file_without_a_usable_row_is_a_fault(declared, draw, write_rows):
    rows = [row | {"lang": "fr"} for row in draw(5, 7)]
    with pytest.raises(InputError, match="no row can be used"):
        fit_rows(write_rows(rows), declared)


def test_categories_without_a_word_count_for_the_others(draw, write_rows):
    rows = draw(600, 8)
    fit = fit_rows(write_rows(rows), declare(("song",)))
    assert any("the pack has no word" in limit for limit in fit.limits)
    joint = next(t for t in read_tables(write_targets(fit, "2026-01-01")) if "function" in t.axes)
    with_item = sum(row["function"] == "play" and "item" in row["args"] for row in rows) / len(rows)
    assert marginal_over(joint, "category")["song",] == pytest.approx(with_item, abs=1e-6)


def test_the_same_file_gives_the_same_targets(declared, draw, write_rows):
    path = write_rows(draw(200, 9))
    assert write_targets(fit_rows(path, declared), "d") == write_targets(fit_rows(path, declared), "d")


def test_names_that_yaml_would_read_as_something_else_are_quoted(declared, draw, write_rows):
    fit = fit_rows(write_rows(draw(100, 10)), declared)
    renamed = [
        replace(axis, shares=tuple(replace(share, value="yes") for share in axis.shares[:1]))
        if axis.axis == "language"
        else axis
        for axis in fit.axes
    ]
    text = write_targets(replace(fit, axes=tuple(renamed)), "2026-01-01")
    assert "'yes': 100" in text
