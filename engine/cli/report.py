"""``routenator report``: what was aimed at, what was delivered, and what it took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, out, print_json, say

if TYPE_CHECKING:
    from routenator.engine.reports.against import Against


def report(
    run: Annotated[Path, typer.Argument(help="Directory of a run, finished or not.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML file with charts here as well.", dir_okay=False)
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Real queries (JSON lines) to compare the rows with.", dir_okay=False),
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print a dozen lines only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the whole report as one JSON object.")] = False,
) -> None:
    """Show target against delivered, deficits, lengths, variety, acceptance, tokens and latency of a run.

    With --against, real queries are put beside the rows: distances, leakage, and whether a model can tell them apart.

    Exit code 1 says that rows are missing, more than the recipe lets pass, or that real queries have leaked into rows
    or prompts.

    Example: routenator report runs/demo --html report.html --against queries.jsonl
    """
    from routenator.engine.datasets.atomic_file import atomic_file
    from routenator.engine.reports.against_terminal import print_against, print_against_summary
    from routenator.engine.reports.building import report_on
    from routenator.engine.reports.html import render_html
    from routenator.engine.reports.terminal import print_report, print_summary

    beside = None if against is None else _put_beside(run, against)
    built, notice = report_on(run)
    if notice:
        say(notice, style="yellow")
    if html is not None:
        with atomic_file(html) as file:
            file.write(render_html(built, beside).encode("utf-8", "replace"))
        say(f"wrote {html}")
    if as_json:
        print_json(built.to_json() | ({"against": beside.to_json()} if beside else {}))
    elif summary:
        print_summary(built, out)
    else:
        print_report(built, out)
    if beside is not None and not as_json:
        (print_against_summary if summary else print_against)(beside, out)
    if built.is_short or (beside is not None and beside.is_leak):
        raise typer.Exit(EXIT_INCOMPLETE)


def _put_beside(run: Path, queries: Path) -> Against:
    """The run's rows against real queries."""
    from routenator.engine.cli.fit import load_dictionary
    from routenator.engine.population.queries import read_queries
    from routenator.engine.reports.against import report_against

    return report_against(run, read_queries(queries), load_dictionary(("en",)))
