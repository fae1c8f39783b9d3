"""A run at work, laid out for 80 columns: for the live table and for ``status``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from routenator.engine.cli.replica_table import replica_table, worst_trouble
from routenator.engine.cli.wording import format_eta, format_rate
from routenator.engine.display import show_line
from routenator.engine.runs.fleet import merge_endpoints
from routenator.engine.runs.states import RunState

REPLICAS_SHOWN = 8
BAR_WIDTH = 20


def state_to_json(state: RunState) -> dict[str, Any]:
    """The whole state with its sums, and its endpoints over all workers."""
    endpoints = [asdict(endpoint) for endpoint in merge_endpoints(state.workers)]
    return {"accepted": state.accepted, "in_flight": state.in_flight} | asdict(state) | {"endpoints": endpoints}


def describe(state: RunState) -> str:
    """One line: counts, rate, ETA, routes, and what is in the way."""
    routes = ", ".join(f"{route} {state.delivered.get(route, 0)}/{target}" for route, target in state.targets.items())
    return (
        f"{state.phase}: {state.accepted:,}/{state.planned:,} rows, {sum(state.rejected.values()):,} rejected, "
        f"{sum(state.failed.values()):,} failed, {state.in_flight} in flight, {format_rate(state.rate_s)}, "
        f"ETA {_eta(state)} ({routes})" + "".join(f"; {note}" for note in notes_on(state))
    )


def notes_on(state: RunState) -> list[str]:
    """What a person should know beside the figures: paused, no room on the disk, an endpoint that does not answer."""
    notes = ["paused: begins nothing until `routenator resume`"] if state.paused else []
    notes += [show_line(stuck) for stuck in dict.fromkeys(w.stuck for w in state.workers) if stuck is not None]
    trouble = worst_trouble(merge_endpoints(state.workers))
    return notes if trouble is None else [*notes, trouble]


def render(state: RunState) -> RenderableType:
    """The live view, always of the same height: a bar and the counts, a line a route, a line a replica, two notes."""
    notes = [*notes_on(state), "", ""][:2]
    return Group(
        *head_lines(state),
        Text(),
        route_table(state),
        Text(),
        replica_table(merge_endpoints(state.workers), REPLICAS_SHOWN),
        *(Text(note, style="yellow", no_wrap=True, overflow="ellipsis") for note in notes),
    )


def head_lines(state: RunState) -> list[RenderableType]:
    """Phase, bar, rows, rate and ETA; below them what is in flight."""
    bar = Table.grid(padding=(0, 2))
    share = state.accepted / state.planned if state.planned else 1.0
    bar.add_row(
        Text(state.phase, style="bold"),
        ProgressBar(total=max(1, state.planned), completed=state.accepted, width=BAR_WIDTH),
        Text(f"{state.accepted:,}/{state.planned:,} rows ({share:.0%})", no_wrap=True),
        Text(format_rate(state.rate_s), no_wrap=True),
    )
    workers = len(state.workers)
    flight = f"{state.in_flight:,} of {state.max_in_flight:,} samples in flight"
    return [bar, Text(f"ETA {_eta(state)}, {flight}, {workers} worker{'' if workers == 1 else 's'}")]


def _eta(state: RunState) -> str:
    return format_eta(None if state.paused or state.phase == "stopping" else state.eta_s)


def route_table(state: RunState) -> RenderableType:
    """What each route has delivered, of what it should, and at what cost."""
    routes = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("route", "delivered", "target", "rejected", "failed"):
        routes.add_column(name, justify="left" if name == "route" else "right")
    for route, target in state.targets.items():
        counts = (state.delivered.get(route, 0), target, state.rejected.get(route, 0), state.failed.get(route, 0))
        routes.add_row(Text(show_line(route)), *(f"{count:,}" for count in counts))
    return routes
