"""The report on a terminal of 100 columns."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show_line
from routenator.engine.reports.report import Comparison, Funnel, Report
from routenator.engine.reports.wording import (
    NOTHING,
    axis_name,
    bar_scale,
    describe_fit,
    describe_judge,
    describe_others,
    describe_target,
    duration,
    largest_gap,
    percent,
    plain,
)

WIDTH = 100

_BAR_WIDTH = 36
_SHOWN_REASONS = 4
_SHOWN_DEFICITS = 15
_SHOWN_TEMPLATES = 20
_SHOWN_EXAMPLES = 10


def print_report(report: Report, console: Console) -> None:
    """Print everything but the thirty examples, of which ten are shown."""
    for part in _parts(report):
        console.print(part, width=min(console.width, WIDTH))
        console.print()


def print_summary(report: Report, console: Console) -> None:
    """Print the figures that matter at the end of a run: a dozen lines."""
    console.print(Panel(_summary(report), title=_text(f"{report.facts.run}"), width=min(console.width, WIDTH)))


def _summary(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    met = report.missing == 0 and not report.deficits
    grid.add_row("target", _text(describe_target(report), "green" if met else "yellow"))
    for comparison in (*report.joints, *(c for c in report.axes if not _in_joint(c, report))):
        grid.add_row(
            _text(axis_name(comparison.axes)),
            _text(f"largest gap {largest_gap(comparison)} rows; {describe_fit(comparison.delivered_fit)}"),
        )
    for funnel in report.routes:
        grid.add_row(
            _text(funnel.name),
            _text(f"{percent(funnel.acceptance)} of {funnel.samples:,} samples accepted; {_reasons(funnel, 2)}"),
        )
    diversity = report.diversity
    distinct = " / ".join(NOTHING if v is None else f"{v:.2f}" for v in diversity.distinct.values())
    grid.add_row("variety", _text(f"{percent(diversity.unique_share)} unique queries, distinct-1/2/3 {distinct}"))
    grid.add_row("judge", _text(describe_judge(report.facts.calibrations)))
    if others := describe_others(report.facts.calibrations):
        grid.add_row("known pairs", _text(f"balanced accuracy: {others}"))
    grid.add_row("tokens", _text(_tokens(report)))
    return grid


def _parts(report: Report) -> list[RenderableType]:
    facts = report.facts
    head = f"{facts.run}: pack {facts.pack}, seed {facts.seed}, started {facts.created_at or 'at an unknown time'}"
    parts: list[RenderableType] = [Group(_text(head, "bold"), *(_text(notice, "yellow") for notice in facts.notices))]
    parts.append(Panel(_summary(report), title="Summary"))
    parts += [_axis_table(comparison) for comparison in report.axes]
    parts += [_joint_lines(comparison) for comparison in report.joints]
    if report.deficits:
        parts.append(_deficit_table(report))
    if report.lengths:
        parts.append(_length_table(report))
    parts.append(_funnel_table("Routes", report.routes))
    parts.append(_funnel_table("Templates", report.templates[:_SHOWN_TEMPLATES]))
    if report.latencies:
        parts.append(_latency_table(report))
    if report.examples:
        parts.append(_example_table(report))
    return parts


def _axis_table(comparison: Comparison) -> RenderableType:
    measured = comparison.measured_fit is not None
    table = _table(
        axis_name(comparison.axes).capitalize(), "", "delivered ┃ target", "target", "planned", "delivered", "gap"
    )
    table.columns[1].justify = "left"
    if measured:
        table.add_column("measured", justify="right")
    scale = bar_scale(comparison)
    rows = sum(cell.delivered for cell in comparison.cells) or 1
    for cell in comparison.cells:
        gap = cell.delivered - cell.planned
        values: list[RenderableType] = [
            _text(cell.values[0]),
            _bar(cell.delivered / rows, cell.target_share, scale),
            percent(cell.target_share),
            f"{cell.planned:,}",
            f"{cell.delivered:,}",
            _text(f"{gap:+,}" if gap else "0", "yellow" if gap else "dim"),
        ]
        table.add_row(*values, *([f"{cell.measured:,}"] if measured else []))
    lines = [_text(f"  delivered: {describe_fit(comparison.delivered_fit)}", "dim")]
    if comparison.measured_fit is not None:
        agreement = percent(comparison.agreement)
        words = f"  measured on the queries: {describe_fit(comparison.measured_fit)}; {agreement} measure as planned"
        lines.append(_text(words, "dim"))
    return Group(table, *lines)


def _joint_lines(comparison: Comparison) -> RenderableType:
    lines = [
        _text(f"Joint table {axis_name(comparison.axes)}: {len(comparison.cells):,} cells", "bold"),
        _text(f"  delivered: largest gap {largest_gap(comparison)} rows; {describe_fit(comparison.delivered_fit)}"),
    ]
    if comparison.measured_fit is not None:
        words = f"  measured on the queries: {describe_fit(comparison.measured_fit)}"
        lines.append(_text(f"{words}; {percent(comparison.agreement)} measure as planned"))
    return Group(*lines)


def _deficit_table(report: Report) -> RenderableType:
    table = _table("What is missing", "cell", "rows", "its samples ended by")
    table.columns[2].justify = "left"
    for deficit in report.deficits[:_SHOWN_DEFICITS]:
        cell = ", ".join(
            f"{axis.replace('_', ' ')} {value}" for axis, value in zip(deficit.axes, deficit.values, strict=True)
        )
        ends = ", ".join(f"{reason} {count:,}" for reason, count in deficit.reasons)
        table.add_row(_text(cell), f"{deficit.missing:,}", _text(ends or "not tried yet"))
    rest = len(report.deficits) - _SHOWN_DEFICITS
    return Group(table, _text(f"  and {rest:,} more cells", "dim")) if rest > 0 else table


def _length_table(report: Report) -> RenderableType:
    table = _table("Words in a query", "function", "rows", "shortest", "25 %", "median", "75 %", "longest")
    for entry in report.lengths:
        words = (entry.shortest, entry.first_quartile, entry.median, entry.third_quartile, entry.longest)
        table.add_row(_text(entry.function), f"{entry.rows:,}", *(plain(number) for number in words))
    return table


def _funnel_table(title: str, funnels: tuple[Funnel, ...]) -> RenderableType:
    table = _table(title, "", "samples", "accepted", "dupl.", "rejected", "failed", "tries", "reasons, all attempts")
    table.columns[7].justify = "left"
    for funnel in funnels:
        attempts = funnel.attempts / funnel.samples if funnel.samples else 0.0
        table.add_row(
            _text(funnel.name),
            f"{funnel.samples:,}",
            percent(funnel.acceptance),
            *(f"{count:,}" for count in (funnel.duplicates, funnel.rejected, funnel.failed)),
            f"{attempts:.2f}",
            _text(_reasons(funnel, _SHOWN_REASONS)),
        )
    return table


def _latency_table(report: Report) -> RenderableType:
    table = _table("Time in a node, for each sample", "node", "samples", "p50", "p95", "total")
    for latency in report.latencies:
        table.add_row(
            _text(latency.node),
            f"{latency.samples:,}",
            duration(latency.p50_ms),
            duration(latency.p95_ms),
            f"{latency.total_s:,.1f} s",
        )
    return table


def _example_table(report: Report) -> RenderableType:
    table = _table("Examples", "trace", "query", "call")
    table.columns[1].justify = table.columns[2].justify = "left"
    for row in report.examples[:_SHOWN_EXAMPLES]:
        arguments = ", ".join(f"{name}={value!r}" for name, value in row.arguments.items())
        table.add_row(row.id, _text(row.query), _text(f"{row.function}({arguments})"))
    return table


def _in_joint(comparison: Comparison, report: Report) -> bool:
    return any(comparison.axes[0] in joint.axes for joint in report.joints)


def _reasons(funnel: Funnel, most: int) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in funnel.reasons[:most]) or "nothing found fault with"


def _tokens(report: Report) -> str:
    tokens = report.tokens
    judge = tokens.judge_prompt + tokens.judge_completion
    models = ", ".join(report.models)
    return f"{tokens.prompt:,} in, {tokens.completion:,} out, judge {judge:,}; {models or 'no rows yet'}"


def _bar(share: float, target: float, scale: float) -> Text:
    """Delivered share as a bar, the target as a mark on it; ``scale`` is the share that fills it."""
    filled = round(share / scale * _BAR_WIDTH)
    mark = min(_BAR_WIDTH - 1, max(0, round(target / scale * _BAR_WIDTH) - 1))
    bar = Text("█" * filled + " " * (_BAR_WIDTH - filled), style="blue")
    return Text.assemble(bar[:mark], ("┃", "yellow on blue" if mark < filled else "yellow"), bar[mark + 1 :])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    """Text that a pack or a model may have written: shown, never obeyed."""
    return Text(show_line(text), style=style)
