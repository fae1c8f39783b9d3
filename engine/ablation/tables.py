"""The report as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from routenator.engine.ablation.report import AblationReport
from routenator.engine.ablation.wording import Grid, data_grid, figure_grid, gap_grid, notes


def print_report(report: AblationReport, console: Console) -> None:
    """Tables, then notes."""
    for heads, rows in (figure_grid(report, "\n"), gap_grid(report, "\n"), data_grid(report)):
        if rows:
            console.print(as_table((heads, rows)))
            console.print()
    for note in notes(report):
        console.print(Text(note, style="dim"))


def as_table(grid: Grid) -> Table:
    """A grid for the terminal; the first column to the left, the others to the right."""
    heads, rows = grid
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def to_markdown(report: AblationReport, plot: str | None) -> str:
    """The whole report; ``plot`` names the picture beside it, if there is one."""
    parts = [f"# Ablation: {report.facts.get('name', '')}", ", ".join(f"{k} {v}" for k, v in report.facts.items())]
    grids = (figure_grid(report, "<br>"), gap_grid(report, "<br>"), data_grid(report))
    parts += [_to_markdown_table(grid) for grid in grids if grid[1]]
    parts += list(notes(report))
    if plot is not None:
        parts.append(f"![Figures with intervals]({plot})")
    return "\n\n".join(parts) + "\n"


def _to_markdown_table(grid: Grid) -> str:
    heads, rows = grid
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in (heads, rule, *rows))
