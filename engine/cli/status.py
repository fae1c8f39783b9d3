"""``routenator status``: how far a run is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from routenator.engine.cli.console import out, print_json

RATE_WINDOW_S = 60


def status(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a layout for people.")] = False,
) -> None:
    """Say how far a run is, whether it is running and how fast. Looks only; a run at work is not held up.

    Example: routenator status runs/demo
    """
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.ledger.run_directory import running_pid

    with LedgerReader(run_dir) as reader:
        state = _read_state(reader, running_pid(run_dir))
    if as_json:
        print_json(state)
    else:
        out.print(_format_state(state))


def _read_state(reader: Any, pid: int | None) -> dict[str, Any]:
    from dataclasses import asdict

    meta = reader.meta()
    lately = reader.committed_since(time.time() - RATE_WINDOW_S)
    targets = meta.get("route_targets") or {}
    routes: dict[str, dict[str, int | None]] = {
        route: {"target": target, "accepted": 0, "rejected": 0, "failed": 0} for route, target in targets.items()
    }
    for group in reader.tally("route", "verdict"):
        route = routes.setdefault(group["route"], {"target": None, "accepted": 0, "rejected": 0, "failed": 0})
        route[group["verdict"]] = group["samples"]
    return {
        "run_dir": str(reader.path),
        "run_id": meta["run_id"],
        "created_at": meta["created_at"],
        "running_pid": pid,
        "slots": asdict(reader.counts()),
        "last_minute": {"samples": sum(lately.values()), "accepted": lately.get("accepted", 0)},
        "routes": routes,
    }


def _format_state(state: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from routenator.engine.display import show_line

    slots, lately, pid = state["slots"], state["last_minute"], state["running_pid"]
    running = Text(f"running, process {pid}", style="bold green") if pid else Text("not running", style="bold")
    share = slots["accepted"] / slots["planned"] if slots["planned"] else 1.0
    lines = [
        Text.assemble(show_line(state["run_dir"]), "  ", running, f"  begun {state['created_at']}"),
        Text(
            f"{slots['accepted']:,} of {slots['planned']:,} rows delivered ({share:.1%}); of the other slots "
            f"{slots['rejected']:,} rejected, {slots['failed']:,} failed, {slots['pending']:,} not begun"
        ),
        Text(f"last minute: {lately['samples']:,} samples, {lately['accepted']:,} of them accepted"),
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("route")
    for name in ("delivered", "target", "samples rejected", "samples failed"):
        table.add_column(name, justify="right")
    for route, figures in state["routes"].items():
        target = "–" if figures["target"] is None else f"{figures['target']:,}"
        numbers = [f"{figures[name]:,}" for name in ("accepted", "rejected", "failed")]
        table.add_row(Text(show_line(route)), numbers[0], target, *numbers[1:])
    return Group(*lines, Text(), table) if state["routes"] else Group(*lines)
