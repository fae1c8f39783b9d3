"""A run beside real queries, on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show_line
from routenator.engine.reports.against import Against, AxisDistance
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
from routenator.engine.reports.wording import percent

_WIDTH = 100
_MOST_VALUES = 8
_MOST_MATCHES = 10
_MOST_ARGUMENTS = 12


def print_against_summary(against: Against, console: Console) -> None:
    """The verdicts, and a line for each distance."""
    put = _putter(console)
    _put_verdict(against, put)
    for test in against.tests:
        put(f"- {describe_test(test)}")
    for distance in against.axes:
        put(f"- {_title(distance.axis)}: {describe_distance(distance)}")


def print_against(against: Against, console: Console) -> None:
    """Verdicts first, then the distances that explain them."""
    width, put = min(console.width, _WIDTH), _putter(console)
    _put_verdict(against, put)
    for check in against.leaks:
        put(f"- {describe_check(check)}")
        for match in check.matches[: _MOST_MATCHES if check.is_leak else 0]:
            words = f", {match.words} words" if match.words else ""
            put(f"    {match.text} and line {match.line}: {match.kind}{words}", "dim")
    if against.tests:
        put("")
        put("Can a simple model tell rows from real queries?", "bold")
    for test in against.tests:
        put(f"- {describe_test(test)}")
        put(f"    speaks for a row: {', '.join(test.synthetic_signs) or 'nothing'}", "dim")
        put(f"    speaks for a real query: {', '.join(test.real_signs) or 'no form'}", "dim")
    for distance in against.axes:
        put("")
        _print_axis(distance, console, width)
    put("")
    put("Words in a query: quartiles", "bold")
    table = _table("", "rows", "real")
    for lengths in against.lengths:
        values = describe_quartiles(lengths.synthetic), describe_quartiles(lengths.real)
        table.add_row(Text(show_line(lengths.function)), *values)
    console.print(table, width=width)
    if against.values:
        put("")
        _print_values(against, console, width)
    if against.order:
        put("")
        _print_order(against, console, width)
    put("")
    put(describe_misspelling(against))
    put(describe_vocabulary(against))


def _putter(console: Console) -> Callable[..., None]:
    width = min(console.width, _WIDTH)

    def put(line: str, style: str = "") -> None:
        console.print(Text(show_line(line), style=style), width=width)

    return put


def _put_verdict(against: Against, put: Callable[..., None]) -> None:
    put(f"Against {against.real_rows:,} real queries of {against.source}: {against.synthetic_rows:,} rows", "bold")
    put(describe_leaks(against), "bold red" if against.is_leak else "green")


def _print_axis(distance: AxisDistance, console: Console, width: int) -> None:
    console.print(Text.assemble((_title(distance.axis), "bold"), f": {describe_distance(distance)}"), width=width)
    rows = sum(synthetic for _, synthetic, _ in distance.cells)
    real = sum(count for _, _, count in distance.cells)
    table = _table("", "rows", "real", "difference")
    for value, synthetic_count, real_count in distance.cells[:_MOST_VALUES]:
        difference = synthetic_count / rows - real_count / real
        table.add_row(
            Text(show_line(value, 40)),
            percent(synthetic_count / rows),
            percent(real_count / real),
            f"{100 * difference:+.1f}",
        )
    console.print(table, width=width)
    _print_rest(len(distance.cells) - _MOST_VALUES, console, width)


def _print_values(against: Against, console: Console, width: int) -> None:
    console.print(Text.assemble(("Values of arguments", "bold"), f": {VALUES_LEGEND}"), width=width)
    table = _table("", "words", "real words", "small", "real small")
    for shape in against.values[:_MOST_ARGUMENTS]:
        name = Text(show_line(f"{shape.function}.{shape.argument}", 40))
        table.add_row(name, *describe_words(shape.words), *describe_share(shape.small))
    console.print(table, width=width)
    _print_rest(len(against.values) - _MOST_ARGUMENTS, console, width)


def _print_order(against: Against, console: Console, width: int) -> None:
    console.print(Text.assemble(("Order of arguments", "bold"), f": {ORDER_LEGEND}"), width=width)
    table = _table("", "rows", "real")
    for one in against.order[:_MOST_ARGUMENTS]:
        name = Text(show_line(f"{one.function}: {one.first} before {one.second}", 56))
        table.add_row(name, *describe_share(one.share))
    console.print(table, width=width)
    _print_rest(len(against.order) - _MOST_ARGUMENTS, console, width)


def _print_rest(count: int, console: Console, width: int) -> None:
    if count > 0:
        console.print(Text(f"  and {count} more", style="dim"), width=width)


def _title(axis: str) -> str:
    return {"ending": "Last punctuation"}.get(axis, axis.replace("_", " ").capitalize())


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 1))
    table.add_column(columns[0], min_width=24)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
