"""Work that is left undone when there is no more time for it."""

import asyncio

import pytest

from routenator.engine.runs.abandoning import do_unless, in_daemon_thread


async def test_work_is_done_and_its_failure_is_heard():
    done = []

    async def work():
        done.append(1)

    async def fail():
        raise ValueError("no")

    await do_unless(asyncio.Event(), work())
    assert done == [1]
    with pytest.raises(ValueError, match="no"):
        await do_unless(asyncio.Event(), fail())


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_work_is_left_when_the_event_comes_first(when):
    event, left = asyncio.Event(), []

    async def work():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            left.append(1)
            raise

    if when == "before":
        event.set()
    else:
        asyncio.get_running_loop().call_later(0.05, event.set)
    async with asyncio.timeout(5):
        await do_unless(event, work())
    assert left == [1] or when == "before"


async def test_a_threads_result_and_its_failure_come_back():
    assert await in_daemon_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 / 0)
