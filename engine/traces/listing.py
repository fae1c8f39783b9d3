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

_WIDEST_CELL = 24
_NARROWEST_QUERY = 40
_COLUMNS = {
    "trace_id": "trace",
    "verdict": "",
    "route": "",
    "function": "",
    "category": "",
    "attempts": "tries",
    "error_class": "ended by",
}
_RIGHT = {"attempts"}


def format_samples(rows: Sequence[Mapping[str, Any]], width: int) -> RenderableType:
    """The samples as a table; where 40 columns are not left for the query, it stands below its sample's facts.

    Args:
        rows: Samples as `routenator.engine.ledger.reader.LedgerReader.samples` gives them.
        width: Columns of the terminal.
    """
    cells = [{name: _cell(row, name) for name in _COLUMNS} for row in rows]
    widths = {
        name: max([cell_len(title or name), *(row_cells[name].cell_len for row_cells in cells)])
        for name, title in _COLUMNS.items()
    }
    if sum(widths.values()) + 2 * len(widths) + _NARROWEST_QUERY <= width:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name, title in _COLUMNS.items():
            table.add_column(title or name, no_wrap=True, justify="right" if name in _RIGHT else "left")
        table.add_column("query", overflow="fold")
        for row, row_cells in zip(rows, cells, strict=True):
            table.add_row(*row_cells.values(), _query(row))
        return table
    head = _join({name: Text(title or name) for name, title in _COLUMNS.items()}, widths)
    head.stylize("dim")
    lines: list[RenderableType] = [head]
    for row, row_cells in zip(rows, cells, strict=True):
        lines.append(_join(row_cells, widths))
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
