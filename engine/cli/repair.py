"""``routenator repair``: keep what is whole of a damaged run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, say

if TYPE_CHECKING:
    from routenator.engine.ledger.repairing import Repair

_BLOCKS_NAMED = 3


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
        lost = "how many are lost cannot be known" if done.lost is None else f"{done.lost:,} lost"
        say(f"{name}: damaged ({show_line(done.fault)}); {done.kept:,} samples kept, {lost}", style="yellow")
        if done.lost is None and done.blocks:
            say(f"  of its {sum(map(len, done.blocks)):,} slots, {_name_slots(done)} run again")
        if done.damaged_copy is not None:
            say(f"  the damaged file is kept as {show_line(str(done.damaged_copy))}")
    if any(done.fault is not None for done in repairs):
        say("The slots of lost samples are open again: give the run's `generate` command again to fill them.")
        raise typer.Exit(EXIT_INCOMPLETE)


def _name_slots(done: Repair) -> str:
    """Which slots run again where nobody knows what was lost."""
    if done.kept:
        return "those without a sample that is kept"
    named = [f"{block[0]:,} to {block[-1]:,}" for block in done.blocks[:_BLOCKS_NAMED]]
    more = len(done.blocks) - len(named)
    return f"all ({'; '.join(named)}{f'; and {more:,} blocks more' if more else ''})"
