"""One pool of replicas: the trial of one that was down, and what a burst of refusals costs."""

import asyncio

import pytest
from fakes.endpoint import NEVER, FakeEndpoint, Reply
from fakes.pool import ask, open_pool


@pytest.mark.fault(8)
async def test_a_server_that_was_down_is_tried_with_one_request_while_the_others_wait():
    fake = FakeEndpoint(answer=lambda _: Reply.status(500, "engine is dead"))
    async with fake, open_pool(fake.base_url, max_retries=8, timeout_s=20) as pool:
        calls = [asyncio.create_task(pool.complete("text", ask(str(n)))) for n in range(8)]
        while pool.trouble("text") is None:  # noqa: ASYNC110 (what a run does, too)
            await asyncio.sleep(0.01)
        refused = -1
        while fake.in_flight or len(fake.requests) != refused:  # what was on its way when the breaker opened comes too
            refused = len(fake.requests)
            await asyncio.sleep(0.1)
        fake.answer = lambda body: Reply.text(body["messages"][-1]["content"], delay_s=2.5)
        while len(fake.requests) == refused:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        fake.answer = lambda body: Reply.text(body["messages"][-1]["content"])
        await asyncio.sleep(0.3)
        assert len(fake.requests) == refused + 1, "the canary is out, and nobody else"
        assert pool.states()[0].replicas[0].condition == "trial"
        replies = await asyncio.gather(*calls)
    assert [reply.text for reply in replies] == [str(n) for n in range(8)]
    assert len(fake.requests) == refused + 8


@pytest.mark.fault(10)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_burst_of_refusals_halves_the_limit_once(status):
    burst = [Reply.status(status, headers={"Retry-After": "1"}, delay_s=0.1) for _ in range(16)]
    async with FakeEndpoint(*burst) as fake, open_pool(fake.base_url, max_in_flight=16) as pool:
        calls = [asyncio.create_task(pool.complete("text", ask(str(n)))) for n in range(16)]
        while pool.states() == () or len(fake.requests) < 16 or fake.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the last refusal is read
        state = pool.states()[0].replicas[0]
        assert (state.limit, state.limited_by) == (8, "overload")
        assert (state.condition, len(fake.requests)) == ("paused", 16), "Retry-After is waited for"
        replies = await asyncio.gather(*calls)
    assert [reply.text for reply in replies] == [str(n) for n in range(16)]
    assert min(request.at for request in fake.requests[16:]) - max(r.at for r in fake.requests[:16]) >= 1.0


@pytest.mark.fault(35)
@pytest.mark.parametrize("inside", ["a second request", "a wait for the server to come back"])
async def test_a_call_that_is_cancelled_inside_its_retry_ends_at_once_and_asks_no_more(inside):
    second = NEVER if inside == "a second request" else Reply.status(503, headers={"Retry-After": "30"})
    fake = FakeEndpoint(Reply.status(500), second, *[NEVER] * 8)
    async with fake, open_pool(fake.base_url, max_retries=8, timeout_s=30) as pool:
        call = asyncio.create_task(pool.complete("text", ask()))
        while len(fake.requests) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while second is not NEVER and pool.states()[0].waiting == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        call.cancel()
        done, _ = await asyncio.wait([call], timeout=10)
        assert done == {call}
        assert call.cancelled()
        await asyncio.sleep(0.5)
        assert len(fake.requests) == 2
        assert pool.states()[0].replicas[0].in_flight == 0
