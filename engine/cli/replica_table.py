"""One line a replica: its condition, its limit, and what keeps it down."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from routenator.engine.cli.wording import format_latency
from routenator.engine.display import show_line
from routenator.engine.llm.states import SERIOUSNESS, EndpointState, ReplicaState

_STYLES = {"up": "green", "trial": "yellow", "paused": "bold red"}
_RIGHT = ("out/limit/most", "latency", "queued", "errors")


def replica_table(endpoints: Sequence[EndpointState], at_most: int | None = None) -> RenderableType:
    """The replicas of all endpoints in the order of the endpoints file.

    Args:
        endpoints: Over all workers: see `routenator.engine.runs.fleet.merge_endpoints`.
        at_most: Show only the worst of them, and how many are left out; ``None``: show all.
    """
    lines = [(label_of(endpoint, replica), replica) for endpoint in endpoints for replica in endpoint.replicas]
    shown = lines
    if at_most is not None and len(lines) > at_most:
        # Chosen by how bad they are, shown in their own order: lines that changed places could not be read.
        worst = sorted(range(len(lines)), key=lambda index: (_badness(lines[index][1]), -index), reverse=True)
        shown = [lines[index] for index in sorted(worst[:at_most])]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("endpoint", no_wrap=True, overflow="ellipsis")
    table.add_column("", no_wrap=True)
    for name in _RIGHT:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("cut by", no_wrap=True)
    for label, replica in shown:
        table.add_row(
            Text(label),
            Text(replica.condition, style=_STYLES[replica.condition]),
            f"{replica.in_flight:,}/{replica.limit:,}/{replica.ceiling:,}",
            format_latency(replica.latency_ms),
            "–" if replica.queued is None else f"{replica.queued:,}",
            f"{replica.errors:,}",
            replica.limited_by or "",
        )
    if len(shown) == len(lines):
        return table
    hidden = len(lines) - len(shown)
    paused = sum(replica.condition == "paused" for _, replica in lines)
    rest = f"and {hidden} more; of all {len(lines)}, {paused} {'is' if paused == 1 else 'are'} paused"
    return Group(table, Text(rest, style="dim"))


def label_of(endpoint: EndpointState, replica: ReplicaState) -> str:
    """The endpoint's name, with the replica's address where it has several."""
    if len(endpoint.replicas) == 1:
        return show_line(endpoint.name)
    return show_line(f"{endpoint.name} {replica.name.split('://')[-1].removesuffix('/').removesuffix('/v1')}")


def worst_trouble(endpoints: Sequence[EndpointState]) -> str | None:
    """``endpoint: what it failed with`` of the replica that is worst off; ``None``: all answer."""
    troubled = [
        (_badness(replica), f"{label_of(endpoint, replica)}: {show_line(replica.trouble)}")
        for endpoint in endpoints
        for replica in endpoint.replicas
        if replica.trouble is not None
    ]
    return max(troubled, key=lambda found: found[0])[1] if troubled else None


def _badness(replica: ReplicaState) -> tuple[float, ...]:
    held_back = 1 - replica.limit / replica.ceiling if replica.ceiling else 0.0
    return SERIOUSNESS[replica.condition], replica.trouble is not None, held_back
