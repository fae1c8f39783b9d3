"""Show a run's progress: a live table on a terminal, plain lines without one, JSON events when asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from routenator.engine.cli.console import err, print_json, say
from routenator.engine.runs.tally import Tally

TABLE_INTERVAL_S = 0.5
LINE_INTERVAL_S = 10.0
EVENT_INTERVAL_S = 2.0


@asynccontextmanager
async def show_progress(tally: Tally, *, as_json: bool) -> AsyncIterator[None]:
    """Show ``tally`` until the block ends, and once more at its end."""
    if as_json:
        ticker = _tick(EVENT_INTERVAL_S, lambda: print_json(tally.to_event()))
        last: Callable[[], None] = lambda: print_json(tally.to_event())  # noqa: E731
        async with _running(ticker):
            yield
        last()
    elif err.is_terminal and sys.stderr.isatty():
        with Live(render(tally), console=err, auto_refresh=False, transient=False) as live:
            async with _running(_tick(TABLE_INTERVAL_S, lambda: live.update(render(tally), refresh=True))):
                yield
            live.update(render(tally), refresh=True)
    else:
        async with _running(_tick(LINE_INTERVAL_S, lambda: say(describe(tally)))):
            yield
        say(describe(tally))


async def _tick(interval_s: float, show: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        show()


@asynccontextmanager
async def _running(ticker: object) -> AsyncIterator[None]:
    task = asyncio.ensure_future(ticker)  # type: ignore[call-overload]
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def describe(tally: Tally) -> str:
    """One line: counts, rate, ETA, routes."""
    routes = ", ".join(f"{route} {tally.delivered[route]}/{target}" for route, target in tally.targets.items())
    return (
        f"{tally.phase}: {tally.accepted:,}/{tally.planned:,} rows, {tally.rejected.total():,} rejected, "
        f"{tally.failed.total():,} failed, {tally.in_flight} in flight, {tally.rate_s():.1f} rows/s, "
        f"ETA {format_eta(tally.eta_s())} ({routes})"
    )


def render(tally: Tally) -> RenderableType:
    """The live view: a bar, the counts, one row a route."""
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(tally.phase, style="bold"),
        ProgressBar(total=tally.planned, completed=tally.accepted, width=32),
        Text(f"{tally.accepted:,}/{tally.planned:,} rows"),
        Text(f"{tally.rate_s():.1f} rows/s"),
        Text(f"ETA {format_eta(tally.eta_s())}"),
        Text(f"{tally.in_flight} in flight"),
    )
    routes = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("route", "delivered", "target", "rejected", "failed"):
        routes.add_column(name, justify="left" if name == "route" else "right")
    for route, target in tally.targets.items():
        counts = (tally.delivered[route], target, tally.rejected[route], tally.failed[route])
        routes.add_row(route, *(f"{count:,}" for count in counts))
    return Group(head, routes)


def format_eta(eta_s: float | None) -> str:
    """``1:02:03``, ``2:03`` or ``unknown``."""
    if eta_s is None:
        return "unknown"
    minutes, seconds = divmod(round(eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
