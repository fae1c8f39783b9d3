"""``routenator status``: how a run does, from its own process while it is at work, from its files otherwise."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from routenator.engine.cli.console import out, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from routenator.engine.runs.states import RunState

RATE_WINDOW_S = 60
WATCH_INTERVAL_S = 2.0
SAMPLES_SHOWN = 5
LONG_S = 10.0
"""A sample that has been in flight for so many seconds is shown."""
_WITHOUT_WORKERS = {
    "loading": "It still loads its pack and checks its endpoints. What is committed:",
    "writing": "Every sample has ended; it writes its dataset. What is committed:",
}


def status(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")],
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a layout for people.")] = False,
) -> None:
    """Say how a run does: rows, rate, ETA, each replica, samples that take long. Looks only; the run is not held up.

    Example: routenator status runs/demo
    """
    if not watch:
        _show(look(run_dir), as_json)
        return
    from rich.live import Live

    if as_json or not out.is_terminal:
        while True:
            _show(look(run_dir), as_json)
            time.sleep(WATCH_INTERVAL_S)
    with Live(look(run_dir).format(), console=out, auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(WATCH_INTERVAL_S)
            live.update(look(run_dir).format(), refresh=True)


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it was found.

    Attributes:
        ledger: What is committed: slots by verdict, the last minute, routes.
        pid: The process that runs it.
        state: What that process says.
        silence: Why it says nothing.
    """

    ledger: dict[str, Any]
    pid: int | None
    state: RunState | None = None
    silence: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything, with the endpoints over all workers."""
        from routenator.engine.cli.run_view import state_to_json

        at_work = None if self.state is None else state_to_json(self.state)
        return self.ledger | {"running_pid": self.pid, "at_work": at_work, "silence": self.silence}

    def format(self) -> RenderableType:
        """A layout for people that fits 80 columns."""
        from rich.console import Group
        from rich.text import Text

        lines: list[RenderableType] = [_head(self.ledger, self.pid, self.state)]
        if self.silence is not None:
            lines.append(Text(f"It does not say more: {self.silence}. What is committed:", style="yellow"))
        if self.state is None or self.state.workers:
            lines += _committed(self.ledger) if self.state is None else _at_work(self.state)
        else:
            lines += [Text(_WITHOUT_WORKERS[self.state.phase], style="yellow"), *_committed(self.ledger)]
        return Group(*lines)


def look(run_dir: Path) -> Look:
    """Find out how a run does.

    Raises:
        RunError: Its files cannot be read.
    """
    from routenator.engine.errors import RunError
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.ledger.run_directory import running_pid
    from routenator.engine.runs.control import ask

    with LedgerReader(run_dir) as reader:
        ledger = _read_ledger(reader)
    pid = running_pid(run_dir)
    if pid is None:
        return Look(ledger, None)
    try:
        return Look(ledger, pid, ask(run_dir, {"do": "status"}))
    except RunError as exc:
        return Look(ledger, pid, silence=exc.what)


def _show(found: Look, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
    else:
        out.print(found.format())


def _read_ledger(reader: Any) -> dict[str, Any]:
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
        "slots": asdict(reader.counts()),
        "last_minute": {"samples": sum(lately.values()), "accepted": lately.get("accepted", 0)},
        "routes": routes,
    }


def _head(ledger: dict[str, Any], pid: int | None, state: RunState | None) -> RenderableType:
    from rich.text import Text

    from routenator.engine.display import show_line

    if pid is None:
        doing = Text("not running", style="bold")
    elif state is not None and not state.workers:
        doing = Text(f"{state.phase}, process {pid}", style="bold yellow")
    elif state is not None and state.paused:
        doing = Text(f"paused, process {pid}", style="bold yellow")
    else:
        doing = Text(f"running, process {pid}", style="bold green")
    return Text.assemble(show_line(ledger["run_dir"]), "  ", doing, f"  begun {ledger['created_at']}")


def _at_work(state: RunState) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from routenator.engine.cli.replica_table import replica_table
    from routenator.engine.cli.run_view import head_lines, notes_on, route_table
    from routenator.engine.display import show_line
    from routenator.engine.runs.fleet import merge_endpoints, oldest_samples

    endpoints = merge_endpoints(state.workers)
    pids = ", ".join(str(worker.pid) for worker in state.workers)
    lines: list[RenderableType] = [*head_lines(state), Text(f"worker processes {pids}", style="dim")]
    lines += [Text(note, style="yellow") for note in notes_on(state)]
    lines += [Text(), route_table(state), Text(), replica_table(endpoints)]
    if waiting := [f"{show_line(endpoint.name)} {endpoint.waiting:,}" for endpoint in endpoints if endpoint.waiting]:
        lines.append(Text(f"calls that wait for room: {', '.join(waiting)}", style="dim"))
    long = [sample for sample in oldest_samples(state.workers, SAMPLES_SHOWN) if sample.age_s >= LONG_S]
    if long:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("in flight for long")
        for name in ("route", "node", "attempt", "since"):
            table.add_column(name, justify="right" if name in ("attempt", "since") else "left")
        for sample in long:
            node, route = sample.node or "between two nodes", sample.route or "–"
            table.add_row(
                sample.trace_id, show_line(route), show_line(node), str(sample.attempt), f"{sample.age_s:.0f} s"
            )
        lines += [Text(), table]
    return lines


def _committed(ledger: dict[str, Any]) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from routenator.engine.display import show_line

    slots, lately = ledger["slots"], ledger["last_minute"]
    share = slots["accepted"] / slots["planned"] if slots["planned"] else 1.0
    lines: list[RenderableType] = [
        Text(
            f"{slots['accepted']:,} of {slots['planned']:,} rows delivered ({share:.1%}); of the other slots "
            f"{slots['rejected']:,} rejected, {slots['failed']:,} failed, {slots['pending']:,} not begun"
        ),
        Text(f"last minute: {lately['samples']:,} samples, {lately['accepted']:,} of them accepted"),
    ]
    if not ledger["routes"]:
        return lines
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("route")
    for name in ("delivered", "target", "samples rejected", "samples failed"):
        table.add_column(name, justify="right")
    for route, figures in ledger["routes"].items():
        target = "–" if figures["target"] is None else f"{figures['target']:,}"
        numbers = [f"{figures[name]:,}" for name in ("accepted", "rejected", "failed")]
        table.add_row(Text(show_line(route)), numbers[0], target, *numbers[1:])
    return [*lines, Text(), table]
