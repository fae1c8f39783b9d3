"""A dozen figures of a report, each a label and a few short items."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from routenator.engine.reports.report import Report
from routenator.engine.reports.wording import (
    NOTHING,
    axis_name,
    count_codes,
    describe_judge,
    describe_others,
    describe_target,
    has_choice,
    largest_gap,
    percent,
    plain,
)

_REASONS = 2

Line = Sequence[str]
"""Items of one line; where there is no room for all, it is broken between two of them."""


def summarise(report: Report) -> list[tuple[str, list[Line]]]:
    """Labels with their lines, in the order in which they are read."""
    diversity, tokens, calibrations = report.diversity, report.tokens, report.facts.calibrations
    distinct = " / ".join(NOTHING if v is None else f"{v:.2f}" for v in diversity.distinct.values())
    summary: list[tuple[str, list[Line]]] = [
        ("rows", [[describe_target(report)]]),
        ("gap in rows", [_gaps(report)]),
        ("as planned", [_agreements(report)]),
        ("accepted", _acceptances(report)),
        ("words", _lengths(report)),
        ("variety", [[f"{percent(diversity.unique_share)} unique queries", f"distinct-1/2/3 {distinct}"]]),
        ("judge", [[describe_judge(calibrations)]]),
    ]
    if others := describe_others(calibrations):
        summary.append(("known pairs", [[f"{others} (balanced accuracy)"]]))
    judge = tokens.judge_prompt + tokens.judge_completion
    summary.append(("tokens", [[f"{tokens.prompt:,} in", f"{tokens.completion:,} out", f"{judge:,} for the judge"]]))
    summary.append(("written by", [[f"{model} ({rows:,} rows)" for model, rows in report.models.items()]]))
    return [(label, lines) for label, lines in summary if any(lines)]


def wrap_items(items: Line, width: int) -> list[str]:
    """Items joined by commas, in lines of ``width`` columns; one that is wider has a line of its own."""
    lines: list[str] = []
    for number, item in enumerate(items):
        piece = item if number == len(items) - 1 else f"{item},"
        if lines and cell_len(lines[-1]) + 1 + cell_len(piece) <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines


def _gaps(report: Report) -> Line:
    """Rows between planned and delivered in the worst cell of each axis and joint table."""
    named = [(axis_name(comparison.axes), comparison) for comparison in report.axes if has_choice(comparison)]
    named += [(f"joint table of {len(comparison.cells):,} cells", comparison) for comparison in report.joints]
    return [f"{name} {largest_gap(comparison):,}" for name, comparison in named]


def _agreements(report: Report) -> Line:
    """Share of rows whose query measures as its stratum says."""
    measured = [comparison for comparison in report.axes if comparison.agreement is not None]
    return [f"{axis_name(comparison.axes)} {percent(comparison.agreement)}" for comparison in measured]


def _acceptances(report: Report) -> list[Line]:
    lines: list[Line] = []
    for funnel in report.routes:
        reasons = [f"{code} {count:,}" for code, count in count_codes(funnel)[:_REASONS]]
        share = f"{funnel.name}: {percent(funnel.acceptance)} of {funnel.samples:,} samples"
        lines.append([f"{share}; {reasons[0]}", *reasons[1:]] if reasons else [share])
    return lines


def _lengths(report: Report) -> list[Line]:
    return [
        [
            f"{entry.function}: median {plain(entry.median)}",
            f"quartiles {plain(entry.first_quartile)} and {plain(entry.third_quartile)}",
            f"longest {entry.longest}",
        ]
        for entry in report.lengths
    ]
