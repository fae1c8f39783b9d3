"""Show a run's progress: a live table on a terminal, plain lines without one, JSON events when asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from rich.live import Live

from routenator.engine.cli.background_stream import patient
from routenator.engine.cli.console import err, json_line, say
from routenator.engine.cli.run_view import describe, render, state_to_json
from routenator.engine.runs.states import RunState

TABLE_INTERVAL_S = 0.5
LINE_INTERVAL_S = 10.0
EVENT_INTERVAL_S = 2.0


@asynccontextmanager
async def show_progress(read: Callable[[], RunState], *, as_json: bool) -> AsyncIterator[None]:
    """Show what ``read`` returns until the block ends, and once more at its end."""
    if as_json:
        with patient(sys.stdout, "utf-8") as events:
            async with _running(_tick(EVENT_INTERVAL_S, lambda: events.write(to_line(read())))):
                yield
            events.write(to_line(read()))
    elif err.is_terminal and sys.stderr.isatty():
        with Live(render(read()), console=err, auto_refresh=False, transient=False) as live:
            async with _running(_tick(TABLE_INTERVAL_S, lambda: live.update(render(read()), refresh=True))):
                yield
            live.update(render(read()), refresh=True)
    else:
        async with _running(_tick(LINE_INTERVAL_S, lambda: say(describe(read())))):
            yield
        say(describe(read()))


async def _tick(interval_s: float, show: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        show()


@asynccontextmanager
async def _running(ticker: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(ticker)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def to_event(state: RunState) -> dict[str, Any]:
    """A progress event: the whole state, and its endpoints over all workers."""
    return {"event": "progress"} | state_to_json(state)


def to_line(state: RunState) -> str:
    """A progress event as a line of JSON."""
    return json_line(to_event(state)).decode()
