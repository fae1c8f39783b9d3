"""``routenator repair``: keep what is whole of a damaged run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, say


def repair(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")],
) -> None:
    """Check a run's files; where one is damaged, keep what is whole of it. The damaged file stays beside it.

    Lost samples are open slots again: the run's own `generate` command fills them.

    Example: routenator repair runs/demo
    """
    from routenator.engine.display import show_line
    from routenator.engine.ledger.repairing import repair_run

    repairs = repair_run(run_dir)
    for done in repairs:
        name = show_line(str(done.database))
        if done.fault is None:
            say(f"{name}: whole, {done.kept:,} samples")
            continue
        say(
            f"{name}: damaged ({show_line(done.fault)}); {done.kept:,} samples kept, {done.lost:,} lost", style="yellow"
        )
        if done.damaged_copy is not None:
            say(f"  the damaged file is kept as {show_line(str(done.damaged_copy))}")
    if any(done.fault is not None for done in repairs):
        say("The slots of lost samples are open again: give the run's `generate` command again to fill them.")
        raise typer.Exit(EXIT_INCOMPLETE)
