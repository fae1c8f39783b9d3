"""Cells and notes that the terminal's tables and the Markdown file have in common."""

from __future__ import annotations

from collections.abc import Iterator

from routenator.engine.ablation.data_facts import DataFacts
from routenator.engine.ablation.figures import SHOWN_METRICS, ArmFigure, Gap
from routenator.engine.ablation.report import AblationReport
from routenator.engine.ablation.settings import BASELINE, UNTUNED
from routenator.engine.evaluation.wording import METRIC_WORDS, NOTHING, figure, signed

Grid = tuple[list[str], list[list[str]]]
"""Heads, and rows of cells."""
_MOST_NAMED = 6
METRIC_HEADS = [METRIC_WORDS[name][0] for name in SHOWN_METRICS]


def figure_grid(report: AblationReport, newline: str) -> Grid:
    """Arms down, metrics across: mean over seeds, spread, interval."""
    rows = [
        [arm, str(report.seeds[arm]), *(_figure_cell(figures[name], newline) for name in SHOWN_METRICS)]
        for arm, figures in report.figures.items()
    ]
    return ["Arm", "Seeds", *METRIC_HEADS], rows


def gap_grid(report: AblationReport, newline: str) -> Grid:
    """Arms down, metrics across: difference to the baseline with its interval, and seeds in which it is above."""
    rows = [
        [arm, *(_gap_cell(figures[name].gap, newline) for name in SHOWN_METRICS)]
        for arm, figures in report.figures.items()
        if any(figures[name].gap is not None for name in SHOWN_METRICS)
    ]
    return [f"Minus {BASELINE}", *METRIC_HEADS], rows


def data_grid(report: AblationReport) -> Grid:
    """Arms down: what was learnt."""
    heads = ["Learnt from", "Rows", "Accepted", "Distinct 3-grams", "Keyword place, variance", "Words", "Steps"]
    return heads, [[arm, *_data_cells(facts)] for arm, facts in report.data.items()]


def notes(report: AblationReport) -> Iterator[str]:
    """What the tables do not say by themselves."""
    yield (
        f"{report.queries:,} golden queries. Means over seeds, ± standard deviation over seeds; 95 % bootstrap "
        "intervals over queries, the same queries drawn for all arms."
    )
    if any(figure.gap is not None for figures in report.figures.values() for figure in figures.values()):
        yield f"n/m: with n of m seeds the arm is above {BASELINE}."
    if UNTUNED in report.figures:
        yield f"{UNTUNED}: the base model as it is, told of the functions in its prompt."
    for arm, why in report.skipped.items():
        yield f"{arm} is left out: {why}."
    if report.missing:
        named, more = report.missing[:_MOST_NAMED], len(report.missing) - _MOST_NAMED
        yield f"Not done yet: {', '.join(named)}{f' and {more} more steps' if more > 0 else ''}."


def _figure_cell(found: ArmFigure, newline: str) -> str:
    spread = "" if len(found.by_seed) < 2 else f" ±{figure(found.spread)}"
    return f"{figure(found.value)}{spread}{newline}{figure(found.low)} to {figure(found.high)}"


def _gap_cell(gap: Gap | None, newline: str) -> str:
    if gap is None:
        return NOTHING
    return f"{signed(gap.value)} ({gap.seeds_above}/{gap.seeds}){newline}{signed(gap.low)} to {signed(gap.high)}"


def _data_cells(facts: DataFacts) -> list[str]:
    def whole(value: float) -> str:
        return NOTHING if value != value else f"{value:,.0f}"

    accepted = NOTHING if facts.accepted_share != facts.accepted_share else f"{facts.accepted_share:.0%}"
    words = NOTHING if facts.words != facts.words else f"{facts.words:.1f}"
    return [
        whole(facts.rows), accepted, figure(facts.distinct_3), figure(facts.place_variance), words, whole(facts.steps)
    ]  # fmt: skip
