"""The report's figures, from evaluation folders made by hand."""

from __future__ import annotations

import importlib.util
import io
import json
import math
from pathlib import Path

import pytest
from fakes.ablation import IDENTITY, fake_plan
from rich.console import Console

from routenator.engine.ablation.data_facts import DataFacts
from routenator.engine.ablation.figures import compute_figures
from routenator.engine.ablation.folder import AblationFolder, Record
from routenator.engine.ablation.plot import draw_plot
from routenator.engine.ablation.report import build_report
from routenator.engine.ablation.steps import make_steps
from routenator.engine.ablation.tables import print_report, to_markdown
from routenator.engine.errors import RouteNatorError
from routenator.engine.evaluation.calls import Call
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.roles import Roles
from routenator.engine.evaluation.scores import Scoring

NAMES = ("search", "make")
GOLDEN = [
    GoldenRow(str(n), f"query {n}", Call(NAMES[n % 2], {"type": "icon", "text": f"cat {n}"})) for n in range(40)
]  # fmt: skip
ROLES = Roles(
    categories=dict.fromkeys(NAMES, frozenset({"type"})), free_texts=dict.fromkeys(NAMES, frozenset({"text"}))
)
SCORING = Scoring(ROLES, similarity=lambda pairs: [0.5] * len(pairs))


def right(row: GoldenRow) -> dict[str, object]:
    assert row.call is not None
    return {"name": row.call.function, "arguments": dict(row.call.arguments)}


def another_text(row: GoldenRow) -> dict[str, object]:
    assert row.call is not None
    return {"name": row.call.function, "arguments": {"type": "icon", "text": "something else"}}


class Ablation:
    """Evaluation folders, written by hand, with the records that say that they are done."""

    def __init__(self, out: Path) -> None:
        self.steps = make_steps(fake_plan(out))
        self.records: dict[str, Record] = {}

    def answer(self, name: str, wrong: int, rows: int = len(GOLDEN)) -> None:
        """``wrong`` of the rows get another free text, all others are right."""
        step = next(step for step in self.steps if step.name == f"{name}/evaluate")
        step.folder.mkdir(parents=True)
        answers = [another_text(row) if n < wrong else right(row) for n, row in enumerate(GOLDEN[:rows])]
        lines = [{"identity": {}}, *({"id": str(n), "text": json.dumps(answer)} for n, answer in enumerate(answers))]
        (step.folder / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        step.result.write_text("{}")
        self.records[step.name] = Record(dict(step.inputs), step.size, 1.0, 1, True)

    def report(self, **data: DataFacts):
        folder = AblationFolder(Path(), IDENTITY, -1, self.records)
        return build_report(folder, self.steps, GOLDEN, SCORING, data, {"own": "it is a twin"}, {"name": "fake"})


@pytest.fixture
def ablation(tmp_path: Path) -> Ablation:
    found = Ablation(tmp_path)
    for name, wrong in {
        "untuned": 40,
        "router/seed-1": 4,
        "router/seed-2": 8,
        "heuristic-only/seed-1": 12,
        "heuristic-only/seed-2": 8,
    }.items():
        found.answer(name, wrong)
    return found


def test_figures_are_means_over_seeds_with_spread_and_paired_differences(ablation):
    figures = ablation.report().figures
    assert list(figures) == ["untuned", "router", "heuristic-only"]
    router, heuristic = figures["router"], figures["heuristic-only"]
    assert router["f1"].value == router["cta"].value == 1.0
    assert router["exact_match"].value == pytest.approx(0.85)
    assert router["exact_match"].by_seed == pytest.approx((0.9, 0.8))
    assert router["exact_match"].spread == pytest.approx(math.sqrt(0.005))
    assert router["ss"].value == pytest.approx(0.85 + 0.15 * 0.5)
    assert router["slot_f1"].value == pytest.approx(1 - 0.15 / 2)
    assert router["exact_match"].low < 0.85 < router["exact_match"].high
    assert router["exact_match"].gap is None
    gap = heuristic["exact_match"].gap
    assert gap is not None
    assert gap.value == pytest.approx(-0.1)
    assert (gap.seeds_above, gap.seeds) == (0, 2)
    assert gap.low < gap.value < gap.high < 0.05
    # The rows that both get wrong are the same ones: the pair is surer than either alone.
    assert gap.high - gap.low < heuristic["exact_match"].high - heuristic["exact_match"].low
    untuned = figures["untuned"]["exact_match"]
    assert (untuned.value, math.isnan(untuned.spread)) == (0.0, True)
    assert untuned.gap is not None and untuned.gap.value == pytest.approx(-0.85)
    assert untuned.gap.seeds == 2


def test_an_arm_is_compared_over_the_seeds_that_both_have(ablation):
    del ablation.records["heuristic-only/seed-2/evaluate"]
    report = ablation.report()
    gap = report.figures["heuristic-only"]["exact_match"].gap
    assert gap is not None and (gap.seeds, gap.value) == (1, pytest.approx(-0.2))
    assert report.seeds == {"untuned": 1, "router": 2, "heuristic-only": 1}
    assert "heuristic-only/seed-2/evaluate" in report.missing


def test_results_of_other_inputs_are_not_shown(ablation):
    record = ablation.records["untuned/evaluate"]
    ablation.records["untuned/evaluate"] = Record({**record.inputs, "golden set": "old"}, 10, 1.0, 1, True)
    assert list(ablation.report().figures) == ["router", "heuristic-only"]


def test_without_the_baseline_there_are_no_differences(ablation):
    for seed in (1, 2):
        del ablation.records[f"router/seed-{seed}/evaluate"]
    assert all(figure.gap is None for figures in ablation.report().figures.values() for figure in figures.values())


def test_an_evaluation_without_all_answers_is_named(tmp_path):
    ablation = Ablation(tmp_path)
    ablation.answer("untuned", 0, rows=30)
    with pytest.raises(RouteNatorError, match="no answer to 10 of 40 rows"):
        ablation.report()


def test_tables_hold_every_arm_its_figures_and_what_is_left_out(ablation):
    facts = DataFacts(8, 0.5, 0.91, 0.12, 4.5, 100)
    report = ablation.report(router=facts)
    terminal = Console(file=io.StringIO(), width=160)
    print_report(report, terminal)
    markdown = to_markdown(report, "plot.png")
    for text in (terminal.file.getvalue(), markdown):
        for said in ("0.850 ±0.071", "-0.100 (0/2)", "own is left out: it is a twin", "50%", "router/seed-1/train"):
            assert said in text
    assert "| router | 2 | 1.000 ±0.000<br>1.000 to 1.000 |" in markdown
    assert "![" in markdown and "![" not in to_markdown(report, None)
    assert json.dumps(report.to_json())


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_plot_is_a_picture(ablation):
    assert draw_plot(ablation.report()).startswith(b"\x89PNG")


def test_arms_of_other_rows_are_not_compared():
    assert compute_figures({}, "router") == {}
