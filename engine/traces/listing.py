"""Lays samples out one below the other: their facts in columns, their query where there is room for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show_line
from routenator.engine.traces.formatting import VERDICT_STYLES

ONE_LINE_WIDTH = 120
"""Columns from which a sample has one line; below, its query stands under its facts."""

_WIDEST_CELL = 24
_COLUMNS = {"trace_id": "trace", "verdict": "", "route": "", "function": "", "category": "", "attempts": "tries"}
_LAST = {"error_class": "ended by"}
_RIGHT = {"attempts"}


def format_samples(rows: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """The samples as a table for a terminal of ``width`` columns.

    Args:
        rows: Samples as `routenator.engine.ledger.reader.LedgerReader.samples` gives them.
        width: Columns of the terminal.
    """
    columns = _COLUMNS | _LAST
    if width >= ONE_LINE_WIDTH:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name, title in columns.items():
            table.add_column(title or name, no_wrap=True, justify="right" if name in _RIGHT else "left")
        table.add_column("query", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row, name) for name in columns), _query(row))
        return table
    widths = {
        name: max([cell_len(title or name), *(_cell(row, name).cell_len for row in rows)])
        for name, title in columns.items()
    }
    titles = {name: Text(title or name) for name, title in columns.items()}
    head = _join(titles, widths)
    head.stylize("dim")
    lines: list[RenderableType] = [head]
    for row in rows:
        lines.append(_join({name: _cell(row, name) for name in columns}, widths))
        if row["query"]:
            lines.append(Padding(_query(row), (0, 0, 0, widths["trace_id"] + 2)))
    return Group(*lines)


def _cell(row: Mapping[str, Any], name: str) -> Text:
    text = show_line("" if row[name] is None else str(row[name]), _WIDEST_CELL)
    return Text(text, style=VERDICT_STYLES[row["verdict"]] if name == "verdict" else "dim")


def _query(row: Mapping[str, Any]) -> Text:
    return Text(show_line(row["query"] or ""))


def _join(cells: Mapping[str, Text], widths: Mapping[str, int]) -> Text:
    """Cells side by side, two columns apart."""
    padded: list[Text] = []
    for name, cell in cells.items():
        free = " " * (widths[name] - cell.cell_len)
        padded.append(Text.assemble(free, cell) if name in _RIGHT else Text.assemble(cell, free))
    line = Text("  ").join(padded)
    line.rstrip()
    return line
