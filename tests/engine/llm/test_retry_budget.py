import asyncio

import pytest

from routenator.engine.llm.retry_budget import FLOOR_PER_S, RETRIES_PER_CALL, RetryBudget

BURST = 100


async def drained():
    budget = RetryBudget(BURST)
    for _ in range(BURST):
        assert await budget.take(0.0)
    return budget


async def test_retries_beyond_the_burst_wait_for_the_floor_first_come_first_served():
    budget = await drained()
    loop, served = asyncio.get_running_loop(), []

    async def retry(n):
        assert await budget.take(5.0)
        served.append(n)

    started = loop.time()
    await asyncio.gather(*(retry(n) for n in range(5)))
    assert loop.time() - started >= 4 / FLOOR_PER_S
    assert served == list(range(5))
    assert budget.waiting == 0


async def test_calls_pay_for_retries():
    budget = await drained()
    retries = [asyncio.create_task(budget.take(60.0)) for _ in range(100)]
    await asyncio.sleep(0)
    for _ in range(int(100 / RETRIES_PER_CALL)):
        budget.on_call()
    assert await asyncio.wait_for(asyncio.gather(*retries), 3.0) == [True] * 100


async def test_retry_without_a_token_in_time_is_told_so():
    budget = await drained()
    ahead = [asyncio.create_task(budget.take(60.0)) for _ in range(10)]
    await asyncio.sleep(0)
    assert not await budget.take(0.05)
    for task in ahead:
        task.cancel()
    budget.close()


@pytest.mark.fault(35)
async def test_cancelled_retry_leaves_its_token_to_the_next():
    budget = await drained()
    tasks = [asyncio.create_task(budget.take(60.0)) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tasks[:5]:
        task.cancel()
    assert await asyncio.wait_for(tasks[5], 0.5)  # in the place of the first, not the sixth
    assert budget.waiting == 0


@pytest.mark.fault(35)
async def test_a_retry_that_is_cancelled_as_its_token_comes_gives_it_back():
    budget = await drained()
    goes, stays = (asyncio.create_task(budget.take(60.0)) for _ in range(2))
    await asyncio.sleep(0)
    for _ in range(int(1 / RETRIES_PER_CALL)):
        budget.on_call()
    assert budget.waiting == 1, "the first has its token, and has not run since"
    goes.cancel()
    # No clock: time alone would make the next token as well, a tenth of a second later.
    for _ in range(5):
        await asyncio.sleep(0)
    assert goes.cancelled()
    assert stays.done()
    assert await stays
    budget.close()
