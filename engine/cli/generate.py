"""``routenator generate`` and ``routenator finalize``: make the dataset."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, EXIT_INTERRUPTED, out, print_json, say

if TYPE_CHECKING:
    from routenator.engine.cli.inputs import RunInputs

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=256,
        help="Processes that run samples (default: one for each core, but none for less than 1,000 rows).",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Progress events and the outcome as lines of JSON.")]


def generate(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe such as demo.")],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="The run's directory (default: runs/RECIPE). One that exists goes on.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, max=1_000_000_000, help="Rows to deliver, in place of the recipe's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The run's seed, in place of the recipe's.")
    ] = None,
    endpoints: Annotated[
        Path | None, typer.Option(help="Another endpoints file, in place of the recipe's.", dir_okay=False)
    ] = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a dataset: fill every slot of the plan, reject duplicates, refill, write rows and report.

    Give the same command again to go on after an interruption. Exit code 1 says that rows are missing, more than the
    recipe lets pass, 130 that you stopped it.

    Example: routenator generate demo --rows 100 --out runs/try
    """
    from routenator.engine.cli.inputs import load_inputs
    from routenator.engine.cli.shipped import find_recipe

    path = find_recipe(recipe)
    overrides = {"rows": rows, "seed": seed, "endpoints": None if endpoints is None else str(endpoints.resolve())}
    run(load_inputs(path, overrides), out_dir or Path("runs") / path.stem, workers=workers, as_json=as_json)


def finalize(
    run_dir: Annotated[Path, typer.Argument(help="Directory of a run.")],
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring a run to its end from its directory alone: fill open slots, reject duplicates, refill, write the dataset.

    Example: routenator finalize runs/demo
    """
    from routenator.engine.cli.inputs import stored_inputs
    from routenator.engine.ledger.reader import LedgerReader

    with LedgerReader(run_dir) as reader:
        inputs = stored_inputs(reader.meta())
    run(inputs, run_dir, workers=workers, as_json=as_json)


def run(inputs: RunInputs, run_dir: Path, *, workers: int | None, as_json: bool) -> None:
    """Run, then say what came of it and where to look next."""
    from routenator.engine.cli.event_loop import run_async
    from routenator.engine.cli.execution import execute
    from routenator.engine.datasets.atomic_file import atomic_file
    from routenator.engine.ledger.schema import database_path
    from routenator.engine.reports.building import report_on
    from routenator.engine.reports.html import render_html
    from routenator.engine.reports.terminal import print_summary

    try:
        outcome = run_async(execute(inputs, run_dir, workers=workers, as_json=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        if database_path(run_dir).exists():
            say(f"Stopped. Give the same command again to go on, or: routenator finalize {run_dir}")
        else:
            say("Stopped before it had begun, so nothing is kept: give its command again.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if outcome.interrupted:
        say(
            f"Stopped with {outcome.delivered:,} of {outcome.planned:,} rows, all of them committed. "
            f"Give the same command again to go on; `routenator report {run_dir}` and `export` show what is there."
        )
        raise typer.Exit(EXIT_INTERRUPTED)
    built, _ = report_on(run_dir)
    with atomic_file(run_dir / "report.html") as file:
        file.write(render_html(built).encode("utf-8", "replace"))
    if as_json:
        print_json({"event": "end", "run": str(run_dir), "accepted": outcome.delivered, "planned": outcome.planned})
    else:
        print_summary(built, out)
        say(
            f"\nRows:    {run_dir}/dataset/dataset.jsonl and dataset.parquet\n"
            f"Report:  routenator report {run_dir}   (with charts: {run_dir}/report.html)\n"
            f"Samples: routenator traces list {run_dir} --verdict rejected, then traces show {run_dir} SLOT\n"
            f"Export:  routenator export {run_dir} --format trl"
        )
    if outcome.delivered < inputs.recipe.enough:
        say(
            f"{outcome.planned - outcome.delivered:,} of {outcome.planned:,} rows are missing; `routenator report "
            f"{run_dir}` says which. Raise max_rounds and give the same command again, or lower min_delivered.",
            style="yellow",
        )
        raise typer.Exit(EXIT_INCOMPLETE)
    if outcome.delivered < outcome.planned:
        share = inputs.recipe.min_delivered
        say(f"Enough: the recipe's min_delivered is {share:.4g} of {outcome.planned:,} rows. The open slots were left.")
