"""The report as one HTML file: no script, no network, every value escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from routenator.engine.display import show, show_line
from routenator.engine.reports.against import Against
from routenator.engine.reports.against_wording import (
    ORDER_LEGEND,
    VALUES_LEGEND,
    describe_check,
    describe_distance,
    describe_leaks,
    describe_misspelling,
    describe_quartiles,
    describe_share,
    describe_test,
    describe_vocabulary,
    describe_words,
)
from routenator.engine.reports.report import Cell, Comparison, Funnel, LengthSummary, Report
from routenator.engine.reports.wording import (
    axis_name,
    bar_scale,
    describe_fit,
    describe_judge,
    describe_others,
    describe_rest,
    describe_target,
    duration,
    largest_gap,
    percent,
    plain,
    shown_cells,
)

_TEMPLATE = "report.html.j2"
_CHART_WIDTH, _CHART_HEIGHT, _AXIS_HEIGHT = 480, 130, 18
_MOST_BARS = 48


def render_html(report: Report, against: Against | None = None) -> str:
    """The whole page, with a section on real queries where there are any. The same report gives the same text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": lambda value: show_line(str(value)),
        "text": show,
        "quoted": lambda value: show(orjson.dumps(show(value)).decode()),
        "thousands": lambda value: f"{value:,}",
        "percent": percent,
        "plain": plain,
        "duration": duration,
        "axes": lambda axes: axis_name(tuple(axes)),
        "fit": describe_fit,
        "shown": shown_cells,
        "rest": describe_rest,
        "gap": largest_gap,
        "judge": lambda calibrations: show_line(describe_judge(calibrations)),
        "others": lambda calibrations: show_line(describe_others(calibrations)),
        "delivered_width": lambda cell, comparison: _width(cell.delivered, comparison),
        "measured_width": lambda cell, comparison: None if cell.measured is None else _width(cell.measured, comparison),
        "target_width": _target_width,
        "histogram": _histogram,
        "funnel_bar": _funnel_bar,
        "leaks": describe_leaks,
        "leak_check": describe_check,
        "two_samples": describe_test,
        "distance": describe_distance,
        "quartiles": describe_quartiles,
        "two_words": describe_words,
        "two_shares": describe_share,
        "vocabulary": describe_vocabulary,
        "misspelling": describe_misspelling,
    }
    samples = sum(funnel.samples for funnel in report.routes)
    return environment.get_template(_TEMPLATE).render(
        report=report,
        against=against,
        values_legend=VALUES_LEGEND,
        order_legend=ORDER_LEGEND,
        met=report.missing == 0 and not report.deficits,
        target_sentence=describe_target(report),
        samples=samples,
        acceptance=report.delivered / samples if samples else None,
    )


def _width(count: int, comparison: Comparison) -> float:
    rows = sum(cell.delivered for cell in comparison.cells) or 1
    return round(100 * count / rows / bar_scale(comparison), 2)


def _target_width(cell: Cell, comparison: Comparison) -> float:
    return round(100 * cell.target_share / bar_scale(comparison), 2)


def _histogram(entry: LengthSummary) -> Markup:
    """Rows by number of words, as bars of one or more words each."""
    span = entry.longest - entry.shortest + 1
    step = math.ceil(span / _MOST_BARS)
    bins = _bin_rows(entry.rows_by_words, entry.shortest, step, math.ceil(span / step))
    tallest = max(bins)
    bar_width = min(_CHART_WIDTH / len(bins), 40.0)
    bars, ticks = [], []
    for number, rows in enumerate(bins):
        height = _CHART_HEIGHT * rows / tallest
        x = number * bar_width
        first = entry.shortest + number * step
        words = f"{first}" if step == 1 else f"{first}–{first + step - 1}"
        bars.append(
            Markup('<rect class="fill" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
                round(x + 0.5, 2),
                round(_CHART_HEIGHT - height, 2),
                round(bar_width - 1, 2),
                round(height, 2),
                f"{words} words: {rows:,} rows",
            )
        )
        if number % math.ceil(len(bins) / 12) == 0:
            tick = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
            ticks.append(tick.format(round(x + bar_width / 2, 2), _CHART_HEIGHT + _AXIS_HEIGHT - 4, first))
    label = f"Rows by number of words, {entry.function}"
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        _CHART_WIDTH, _CHART_HEIGHT + _AXIS_HEIGHT, show_line(label), Markup("").join(bars), Markup("").join(ticks)
    )


def _bin_rows(rows_by_words: Mapping[int, int], first: int, step: int, bins: int) -> list[int]:
    rows = [0] * bins
    for words, count in rows_by_words.items():
        rows[(words - first) // step] += count
    return rows


def _funnel_bar(funnel: Funnel) -> Markup:
    """What became of all samples, as one stacked bar."""
    parts = (
        ("good-fill", funnel.accepted),
        ("fill", funnel.duplicates),
        ("warn-fill", funnel.rejected),
        ("bad-fill", funnel.failed),
    )
    x, rects = 0.0, []
    for style, count in parts:
        width = 100 * count / funnel.samples if funnel.samples else 0.0
        rects.append(
            Markup('<rect class="{}" x="{}" y="0" width="{}" height="10"/>').format(style, round(x, 3), round(width, 3))
        )
        x += width
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(rects))
