"""The report on a terminal: laid out for 80 columns, a little wider where there are 100."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show_line
from routenator.engine.reports.report import Comparison, Funnel, Report
from routenator.engine.reports.summary import summarise, wrap_items
from routenator.engine.reports.wording import (
    NOTHING,
    axis_name,
    bar_scale,
    count_codes,
    describe_fit,
    describe_rest,
    duration,
    has_choice,
    largest_gap,
    percent,
    plain,
    shown_cells,
)

WIDTH = 100

_MIN_BAR_WIDTH = 10
_WIDTH_BESIDE_BAR = 60
_REASONS_OF_A_ROUTE = 8
_REASONS_OF_A_TEMPLATE = 2
_SHOWN_DEFICITS = 15
_SHOWN_TEMPLATES = 20
_SHOWN_EXAMPLES = 10


def print_report(report: Report, console: Console) -> None:
    """Print everything but the thirty examples, of which ten are shown."""
    width = min(console.width, WIDTH)
    for part in _parts(report, width):
        console.print(part, width=width)
        console.print()


def print_summary(report: Report, console: Console) -> None:
    """Print the figures that matter at the end of a run."""
    width = min(console.width, WIDTH)
    console.print(Rule(_text(report.facts.run, "bold"), align="left", style="dim"), width=width)
    console.print(_summary_table(report, width), width=width)


def _summary_table(report: Report, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    summary = summarise(report)
    left = width - 2 - max(len(label) for label, _ in summary)
    for label, lines in summary:
        value = Text("\n").join(_text(part) for line in lines for part in wrap_items(line, left))
        if label == "rows":
            value.stylize("green" if report.missing == 0 and not report.deficits else "yellow")
        grid.add_row(label, value)
    return grid


def _parts(report: Report, width: int) -> list[RenderableType]:
    facts = report.facts
    head = f"{facts.run}: pack {facts.pack}, seed {facts.seed}, started {facts.created_at or 'at an unknown time'}"
    parts: list[RenderableType] = [Group(_text(head, "bold"), *(_text(notice, "yellow") for notice in facts.notices))]
    parts.append(_summary_table(report, width))
    parts += [_axis_table(comparison, width) for comparison in report.axes if has_choice(comparison)]
    parts += [_joint_lines(comparison) for comparison in report.joints]
    if report.deficits:
        parts.append(_deficit_table(report))
    if report.lengths:
        parts.append(_length_table(report))
    if report.routes:
        parts.append(Group(_route_table(report), *_reason_lines(report, width)))
    if report.templates:
        parts.append(_template_table(report))
    if report.latencies:
        parts.append(_latency_table(report))
    if report.examples:
        parts.append(_example_table(report))
    return parts


def _axis_table(comparison: Comparison, width: int) -> RenderableType:
    bar_width = max(_MIN_BAR_WIDTH, width - _WIDTH_BESIDE_BAR)
    measured = comparison.measured_fit is not None
    table = _table(
        axis_name(comparison.axes).capitalize(), "", "delivered ┃ target", "target", "planned", "delivered", "gap"
    )
    table.columns[1].justify = "left"
    if measured:
        table.add_column("measured", justify="right")
    scale = bar_scale(comparison)
    rows = sum(cell.delivered for cell in comparison.cells) or 1
    for cell in shown_cells(comparison):
        gap = cell.delivered - cell.planned
        values: list[RenderableType] = [
            _text(cell.values[0]),
            _bar(cell.delivered / rows, cell.target_share, scale, bar_width),
            percent(cell.target_share),
            f"{cell.planned:,}",
            f"{cell.delivered:,}",
            _text(f"{gap:+,}" if gap else "0", "yellow" if gap else "dim"),
        ]
        table.add_row(*values, *([f"{cell.measured:,}"] if measured else []))
    rest = describe_rest(comparison)
    lines = [_text(f"  {rest}", "dim")] if rest else []
    lines.append(_text(f"  delivered: {describe_fit(comparison.delivered_fit)}", "dim"))
    if comparison.measured_fit is not None:
        agreement = percent(comparison.agreement)
        words = f"  measured on the queries: {describe_fit(comparison.measured_fit)}; {agreement} measure as planned"
        lines.append(_text(words, "dim"))
    return Group(table, *lines)


def _joint_lines(comparison: Comparison) -> RenderableType:
    gap = largest_gap(comparison)
    rows = f"{gap:,} {'row' if gap == 1 else 'rows'}"
    lines = [
        _text(f"Joint table {axis_name(comparison.axes)}: {len(comparison.cells):,} cells", "bold"),
        _text(f"  delivered: largest gap {rows}; {describe_fit(comparison.delivered_fit)}"),
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


def _route_table(report: Report) -> RenderableType:
    table = _table("Routes", "", "samples", "accepted", "duplicates", "rejected", "failed", "attempts a sample")
    for funnel in report.routes:
        counts = (funnel.duplicates, funnel.rejected, funnel.failed)
        table.add_row(
            _text(funnel.name),
            f"{funnel.samples:,}",
            percent(funnel.acceptance),
            *(f"{count:,}" for count in counts),
            _attempts(funnel),
        )
    return table


def _reason_lines(report: Report, width: int) -> list[RenderableType]:
    """What the attempts of each route were found fault with, one route after the other."""
    lines: list[RenderableType] = []
    for funnel in report.routes:
        if reasons := count_codes(funnel):
            items = [f"{code} {count:,}" for code, count in reasons[:_REASONS_OF_A_ROUTE]]
            lines.append(_text(f"{funnel.name}, reasons over all attempts", "dim"))
            lines += [Padding(_text(line), (0, 0, 0, 4)) for line in wrap_items(items, width - 4)]
    return lines


def _template_table(report: Report) -> RenderableType:
    table = _table("Templates", "", "samples", "accepted", "tries", "reasons")
    table.columns[4].justify = "left"
    for funnel in report.templates[:_SHOWN_TEMPLATES]:
        reasons = ", ".join(f"{code} {count:,}" for code, count in count_codes(funnel)[:_REASONS_OF_A_TEMPLATE])
        shares = (f"{funnel.samples:,}", percent(funnel.acceptance), _attempts(funnel))
        table.add_row(_text(funnel.name), *shares, _text(reasons or NOTHING))
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


def _attempts(funnel: Funnel) -> str:
    return f"{funnel.attempts / funnel.samples:.2f}" if funnel.samples else NOTHING


def _bar(share: float, target: float, scale: float, width: int) -> Text:
    """Delivered share as a bar of ``width`` columns, the target as a mark; ``scale`` is the share that fills it."""
    filled = round(share / scale * width)
    mark = min(width - 1, max(0, round(target / scale * width) - 1))
    bar = Text("█" * filled + " " * (width - filled), style="blue")
    return Text.assemble(bar[:mark], ("┃", "yellow on blue" if mark < filled else "yellow"), bar[mark + 1 :])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    """Text that a pack or a model may have written: shown, never obeyed."""
    return Text(show_line(text), style=style)
