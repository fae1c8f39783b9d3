"""How a pool spreads, limits and repeats requests, and what it says of that."""

import asyncio
import json
from dataclasses import asdict

import pytest
from fakes.endpoint import NEVER, FakeEndpoint, Reply, serve_replicas
from fakes.pool import ask, open_pool

from routenator.engine.errors import EndpointError


async def test_idle_replicas_are_asked_in_proportion_to_their_weights():
    heavy, light = FakeEndpoint(), FakeEndpoint()
    async with serve_replicas(heavy, light) as urls, open_pool(*urls, weights=(3, 1)) as pool:
        for _ in range(200):
            await pool.complete("text", ask())
    assert 115 < len(heavy.requests) < 185  # 150 expected; 5.7 standard deviations each way
    assert len(heavy.requests) + len(light.requests) == 200


async def test_busy_replicas_are_filled_in_proportion_to_their_weights():
    heavy, light = (FakeEndpoint(answer=lambda _: Reply.text("fine", delay_s=0.5)) for _ in range(2))
    async with serve_replicas(heavy, light) as urls, open_pool(*urls, weights=(3, 1), max_in_flight=400) as pool:
        await asyncio.gather(*(pool.complete("text", ask()) for _ in range(200)))
    assert 140 <= len(heavy.requests) <= 160


@pytest.mark.parametrize(("workers", "share"), [(1, 10), (3, 4), (64, 1)])
async def test_workers_share_the_requests_to_a_replica(workers, share):
    async with FakeEndpoint() as fake, open_pool(fake.base_url, max_in_flight=10, workers=workers) as pool:
        await pool.complete("text", ask())
        assert pool.states()[0].replicas[0].ceiling == share


async def test_states_say_how_each_replica_is_doing_and_can_be_written_as_json():
    up, down = FakeEndpoint(), FakeEndpoint(answer=lambda _: Reply.status(500, "engine is dead"))
    async with serve_replicas(up, down) as urls, open_pool(*urls, max_in_flight=4) as pool:
        assert pool.states() == ()
        await asyncio.gather(*(pool.complete("text", ask()) for _ in range(40)))
        up.answer = lambda _: NEVER
        calls = [asyncio.create_task(pool.complete("text", ask())) for _ in range(7)]
        await asyncio.sleep(0.1)
        (state,) = pool.states()
        assert (state.name, state.model, state.waiting) == ("writer", "fake", 3)
        first, second = state.replicas
        assert (first.name, first.condition, first.in_flight, first.limit) == (up.base_url, "up", 4, 4)
        assert (first.answered, first.errors, first.trouble, first.limited_by) == (40, 0, None, None)
        assert first.latency_ms > 0
        assert (second.condition, second.answered) == ("paused", 0)
        assert second.errors >= 5
        assert "engine is dead" in second.trouble
        assert json.loads(json.dumps(asdict(state)))["replicas"][0]["limit"] == 4
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.fault(10)
async def test_limit_cut_by_a_429_says_overload():
    async with FakeEndpoint(Reply.status(429)) as fake, open_pool(fake.base_url) as pool:
        await pool.complete("text", ask())
        state = pool.states()[0].replicas[0]
        assert (state.limit, state.limited_by) == (32, "overload")


@pytest.mark.fault(11)
async def test_requests_that_miss_their_deadline_cut_the_limit():
    fake = FakeEndpoint(*[NEVER] * 8)
    async with fake, open_pool(fake.base_url, timeout_s=0.3, max_in_flight=8, max_retries=8) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(8)))
        assert [reply.text for reply in replies] == [str(n) for n in range(8)]
        state = pool.states()[0].replicas[0]
        assert (state.limit in (4, 5), state.limited_by) == (True, "latency")


@pytest.mark.fault(10)
async def test_queueing_after_a_pause_is_not_charged_as_waiting_for_the_replica():
    def pause(seconds):
        return Reply.status(429, headers={"Retry-After": str(seconds)})

    fine = Reply.text("fine", delay_s=0.3)
    fake = FakeEndpoint(pause(0.5), *[fine] * 4, pause(1.0), answer=lambda _: fine)
    async with fake, open_pool(fake.base_url, timeout_s=1.0, max_in_flight=1, max_retries=1) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask()) for _ in range(10)))
    assert [reply.text for reply in replies] == ["fine"] * 10


async def spend(budget):
    while await budget.take(0.0):
        pass


@pytest.mark.fault(8)
async def test_retry_waits_while_the_budget_is_spent_and_then_goes():
    async with FakeEndpoint(Reply.status(500)) as fake, open_pool(fake.base_url) as pool:
        budget = pool.client_of("text").budget
        await spend(budget)
        ahead = [asyncio.create_task(budget.take(60.0)) for _ in range(10)]
        reply = await pool.complete("text", ask())
        assert all(task.done() for task in ahead)
        assert reply.text == "hello"
        assert fake.requests[1].at - fake.requests[0].at > 0.5
        assert reply.requests[1]["wait_s"] > 0.5


@pytest.mark.fault(8)
async def test_call_whose_retries_find_no_budget_ends_at_its_deadline_with_the_servers_words():
    async with (
        FakeEndpoint(Reply.status(500, "kaboom")) as fake,
        open_pool(fake.base_url, timeout_s=0.3, max_retries=1) as pool,
    ):
        budget = pool.client_of("text").budget
        await spend(budget)
        ahead = [asyncio.create_task(budget.take(60.0)) for _ in range(50)]
        await asyncio.sleep(0)
        with pytest.raises(EndpointError, match=r"fails too often.*kaboom"):
            await pool.complete("text", ask())
        assert len(fake.requests) == 1
        for task in ahead:
            task.cancel()


@pytest.mark.fault(10)
async def test_back_pressure_takes_nothing_from_the_budget():
    burst = [Reply.status(429, headers={"Retry-After": "0"}) for _ in range(4)]
    async with FakeEndpoint(*burst) as fake, open_pool(fake.base_url, max_in_flight=4) as pool:
        budget = pool.client_of("text").budget
        await spend(budget)
        ahead = [asyncio.create_task(budget.take(60.0)) for _ in range(100)]
        replies = await asyncio.wait_for(asyncio.gather(*(pool.complete("text", ask()) for _ in range(4))), 5.0)
        assert [reply.text for reply in replies] == ["hello"] * 4
        for task in ahead:
            task.cancel()


@pytest.mark.fault(14)
@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "fault", [Reply.status(404, "The model `fake` does not exist."), Reply.text("hi", model="other")]
)
async def test_wrong_model_on_one_replica_pauses_that_one_only(fault):
    wrong, right = FakeEndpoint(answer=lambda _: fault), FakeEndpoint()
    async with serve_replicas(wrong, right) as urls, open_pool(*urls, max_in_flight=4) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(30)))
        assert [reply.text for reply in replies] == [str(n) for n in range(30)]
        assert len(wrong.requests) <= 4
        assert [replica.condition for replica in pool.states()[0].replicas] == ["paused", "up"]
        assert pool.trouble("text") is None
