"""Numbers and names as people read them; used by the terminal report and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from routenator.engine.reports.report import Cell, Comparison, Fit, Funnel, Report

NOTHING = "–"
MOST_CELLS = 24
"""Most values of an axis that are shown; combinations of arguments are hundreds."""


def percent(share: float | None, digits: int = 1) -> str:
    """``0.1234`` → ``12.3 %``."""
    return NOTHING if share is None else f"{100 * share:.{digits}f} %"


def duration(ms: float) -> str:
    """Milliseconds with the unit that suits them: ``43 µs``, ``4.1 ms``, ``12 ms``, ``3.2 s``."""
    if ms < 1:
        return f"{1000 * ms:.0f} µs"
    if ms < 10:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def plain(number: float) -> str:
    """``4.0`` → ``4``, ``4.25`` → ``4.2``, ``1200`` → ``1,200``."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def axis_name(axes: tuple[str, ...]) -> str:
    """``("function", "keyword_position")`` → ``function × keyword position``."""
    return " × ".join(axis.replace("_", " ") for axis in axes)


def describe_fit(fit: Fit) -> str:
    """The figures of a fit on one line."""
    if fit.js_distance is None:
        return "no rows yet"
    if fit.chi_square is None:
        return f"rows outside the target, JS distance {fit.js_distance:.3f}"
    if fit.degrees_of_freedom == 0:
        return "one value only, nothing to compare"
    rough = ", few rows a cell" if fit.small_cells > 0.2 * (fit.degrees_of_freedom + 1) else ""
    return (
        f"χ² {fit.chi_square:.2f} on {fit.degrees_of_freedom} df (p {fit.p_value:.3f}{rough}), "
        f"JS distance {fit.js_distance:.3f}"
    )


def describe_target(report: Report) -> str:
    """Whether the targets are met, in a sentence."""
    planned = report.facts.planned
    if report.missing == 0 and not report.deficits:
        return f"All {planned:,} rows delivered; every target is met to the row."
    verb = "is" if report.missing == 1 else "are"
    return f"{report.delivered:,} of {planned:,} rows delivered; {report.missing:,} {verb} missing."


def describe_judge(calibrations: Sequence[Mapping[str, Any]]) -> str:
    """Whether the judge votes, and by what figure."""
    judge = next((c for c in calibrations if c["voter"] == "judge"), None)
    if judge is None:
        return "none: rules and label consistency decide"
    vote = "votes" if judge["votes"] else "no vote"
    if judge.get("error"):
        return f"{vote}: not measured ({judge['error']})"
    figure = f"balanced accuracy {judge['balanced_accuracy']:.2f} on {judge['n']} known pairs"
    return f"{vote}: {figure}, threshold {judge['threshold']:.2f}"


def describe_others(calibrations: Sequence[Mapping[str, Any]]) -> str:
    """How the voters beside the judge did on the same pairs; empty when they were not measured."""
    return ", ".join(f"{c['voter']} {c['balanced_accuracy']:.2f}" for c in calibrations if c["voter"] != "judge")


def has_choice(comparison: Comparison) -> bool:
    """Whether the plan has more than one value or cell here; where it has one, nothing can be compared."""
    return len(comparison.cells) > 1


def count_codes(funnel: Funnel) -> list[tuple[str, int]]:
    """The funnel's reasons by code alone, as ``traces list --error-class`` names them; most frequent first."""
    counts: Counter[str] = Counter()
    for reason, count in funnel.reasons:
        counts[reason.partition(":")[2] or reason] += count
    return counts.most_common()


def bar_scale(comparison: Comparison) -> float:
    """Share that fills a bar: the largest of the comparison, so that small ones can be told apart."""
    rows = sum(cell.delivered for cell in comparison.cells) or 1
    shares = [max(cell.delivered, cell.measured or 0) / rows for cell in comparison.cells]
    return max([*shares, *(cell.target_share for cell in comparison.cells)], default=1.0) or 1.0


def shown_cells(comparison: Comparison) -> list[Cell]:
    """The cells of an axis that are shown: all of a few; else those with the most planned rows, these first."""
    if len(comparison.cells) <= MOST_CELLS:
        return list(comparison.cells)
    return sorted(comparison.cells, key=lambda cell: -cell.planned)[:MOST_CELLS]


def describe_rest(comparison: Comparison) -> str:
    """What is said of the cells of an axis that are not shown; empty where all are."""
    shown = {cell.values for cell in shown_cells(comparison)}
    rest = [cell for cell in comparison.cells if cell.values not in shown]
    if not rest:
        return ""
    rows, gap = sum(cell.planned for cell in rest), max(abs(cell.delivered - cell.planned) for cell in rest)
    return f"and {len(rest):,} more with {rows:,} planned rows, largest gap {gap:,}; report --json lists them all"


def largest_gap(comparison: Comparison) -> int:
    """Largest difference between planned and delivered rows of a cell."""
    return max((abs(cell.delivered - cell.planned) for cell in comparison.cells), default=0)
