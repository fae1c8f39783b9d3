import json
import math

import pytest

from routenator.engine.reports.distribution import PlannedTable
from routenator.engine.reports.tally import DiversityTally, ExampleTally, LengthBands, LengthTally
from routenator.engine.sample import SampleKey


def by_axis(report):
    return {comparison.axes[0]: comparison for comparison in report.axes}


def test_a_finished_run_meets_its_plan_to_the_row(finished):
    assert (finished.delivered, finished.missing, finished.deficits) == (300, 0, ())
    for comparison in (*finished.axes, *finished.joints):
        assert [cell.delivered for cell in comparison.cells] == [cell.planned for cell in comparison.cells]
        assert comparison.delivered_fit.js_distance < 0.05
        assert comparison.delivered_fit.p_value > 0.99


def test_every_axis_and_the_joint_table_are_compared(finished):
    assert list(by_axis(finished)) == ["function", "category", "length", "route", "phrasing", "keyword_position"]
    assert [comparison.axes for comparison in finished.joints] == [("function", "category", "length")]
    assert by_axis(finished)["category"].cells[0].target_share == pytest.approx(0.53)


def test_queries_are_measured_where_they_can_be(finished):
    axes = by_axis(finished)
    assert axes["route"].measured_fit is axes["category"].measured_fit is None
    assert axes["phrasing"].agreement == 1.0
    assert 0.8 < axes["keyword_position"].agreement < 1
    assert sum(cell.measured for cell in axes["length"].cells) == 300


def test_deficits_name_the_cell_and_what_it_was_rejected_for(running):
    assert running.delivered + running.missing == 300
    icons = [deficit for deficit in running.deficits if "icon" in deficit.values]
    planned = {cell.values: cell.planned for cell in running.joints[0].cells}
    assert {d.values: d.missing for d in icons} == {v: n for v, n in planned.items() if "icon" in v and n}
    tried = [deficit for deficit in icons if deficit.reasons]
    assert tried and all(deficit.reasons[0][0] == "length" for deficit in tried)
    joint_missing = sum(d.missing for d in running.deficits if d.axes == running.joints[0].axes)
    assert joint_missing == running.missing


def test_a_duplicate_is_counted_apart_from_rejections(running):
    assert sum(funnel.duplicates for funnel in running.routes) == 1
    assert sum(funnel.samples for funnel in running.routes) == 200
    assert sum(funnel.accepted for funnel in running.routes) == running.delivered


def test_reasons_of_all_attempts_are_counted_by_route(finished):
    reasons = dict(finished.routes[0].reasons)
    assert reasons["rules:length"] > 0
    assert reasons["error:endpoint"] == finished.routes[0].failed
    counts = [count for _, count in finished.routes[0].reasons]
    assert counts == sorted(counts, reverse=True)


def test_the_report_is_strict_json_with_its_derived_figures(running):
    data = json.loads(json.dumps(running.to_json(), allow_nan=False))
    assert data["missing"] == running.missing
    assert data["routes"][0]["acceptance"] == running.routes[0].acceptance
    assert data["examples"][0]["id"] == running.examples[0].id
    assert len(data["examples"]) == 30


def test_length_quartiles_are_those_of_the_words():
    lengths = LengthTally()
    for words in (1, 2, 3, 4, 10):
        lengths.add("search", words)
    (summary,) = lengths.summaries()
    assert (summary.shortest, summary.first_quartile, summary.median) == (1, 2, 3)
    assert (summary.third_quartile, summary.longest) == (4, 10)


def test_overlapping_bands_count_for_the_band_that_was_asked_for():
    bands = LengthBands([PlannedTable(("length",), {("4-6",): 0.5, ("5-12",): 0.5}, {})])
    assert [bands.band_of(words, "5-12") for words in (3, 4, 5, 12, 13)] == ["other", "4-6", "5-12", "5-12", "other"]
    assert bands.band_of(5, "4-6") == "4-6"


def test_diversity_of_known_queries():
    diversity = DiversityTally()
    for slot, query in enumerate(("cat icon", "Cat icon!", "dog icon")):
        diversity.add(slot, query)
    result = diversity.result()
    assert result.unique_share == pytest.approx(1 / 3)
    assert result.distinct[1] == pytest.approx(3 / 6)
    assert result.distinct[2] == pytest.approx(2 / 3)
    assert result.distinct[3] is None


def test_nothing_delivered_gives_no_figures_instead_of_nan():
    result = DiversityTally().result()
    assert result.unique_share is None
    assert not any(isinstance(share, float) and math.isnan(share) for share in result.distinct.values())


def test_examples_do_not_depend_on_the_order_of_the_rows():
    one, other = ExampleTally(), ExampleTally()
    for slot in range(200):
        one.add(SampleKey(slot))
        other.add(SampleKey(199 - slot))
    assert one.keys() == other.keys()
    assert len(one.keys()) == 30
