"""``routenator report``: what was aimed at, what was delivered, and what it took."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, out, print_json, say


def report(
    run: Annotated[Path, typer.Argument(help="Directory of a run, finished or not.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML file with charts here as well.", dir_okay=False)
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print a dozen lines only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the whole report as one JSON object.")] = False,
) -> None:
    """Show target against delivered, deficits, lengths, variety, acceptance, tokens and latency of a run.

    Exit code 1 says that rows are missing.

    Example: routenator report runs/demo --html report.html
    """
    from routenator.engine.datasets.atomic_file import atomic_file
    from routenator.engine.reports.building import report_on
    from routenator.engine.reports.html import render_html
    from routenator.engine.reports.terminal import print_report, print_summary

    built, notice = report_on(run)
    if notice:
        say(notice, style="yellow")
    if html is not None:
        with atomic_file(html) as file:
            file.write(render_html(built).encode("utf-8", "replace"))
        say(f"wrote {html}")
    if as_json:
        print_json(built.to_json())
    elif summary:
        print_summary(built, out)
    else:
        print_report(built, out)
    if built.missing:
        raise typer.Exit(EXIT_INCOMPLETE)
