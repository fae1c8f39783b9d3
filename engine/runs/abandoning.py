"""Leave work undone when there is no more time for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


async def do_unless(event: asyncio.Event, work: Coroutine[Any, Any, Any]) -> None:
    """Do ``work``, but cancel it when ``event`` comes first. Raises what ``work`` raises."""
    doing = asyncio.create_task(work)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        doing.cancel()
        waiting.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)


async def in_daemon_thread(work: Callable[[], Result]) -> Result:
    """What ``work`` returns or raises, from a thread that holds up nobody.

    Whoever is cancelled leaves it to itself, and the process may end before it: a thread of `asyncio.to_thread` would
    be waited for.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, failure: BaseException | None) -> None:
        if future.done():
            return
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only if ``work`` returned it

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as exc:
            failure = exc
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="in_daemon_thread", daemon=True).start()
    return await future
