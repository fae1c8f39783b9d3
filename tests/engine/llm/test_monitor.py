"""What the monitor sees: stalls, the servers' queues, and the absence of this process."""

import asyncio
import logging
import time

import pytest
from fakes.endpoint import NEVER, FakeEndpoint, Reply, plain_answer, serve_in_thread, serve_replicas, vllm_metrics
from fakes.pool import ask, open_pool

from routenator.engine.llm.monitor import read_queue


def test_queue_is_summed_over_engines_and_nothing_else():
    assert read_queue(vllm_metrics(running=7, waiting=12).encode()) == (7, 12)


def test_what_a_server_puts_off_for_another_reason_than_its_capacity_does_not_queue():
    assert read_queue(vllm_metrics(running=1, waiting=0, deferred=4).encode()) == (1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "llamacpp:requests_processing 3\nllamacpp:requests_deferred 9\n",
        "vllm:num_requests_running 3\n",
        "vllm:num_requests_running 3\nvllm:num_requests_waiting NaN\n",
        "vllm:num_requests_running 3\nvllm:num_requests_waiting many\n",
    ],
)
def test_metrics_of_other_servers_say_nothing_of_the_queue(text):
    assert read_queue(text.encode()) is None


def test_labels_may_hold_braces_and_time_stamps_may_follow():
    text = 'vllm:num_requests_running{m="a}b"} 3.0 1700000000\nvllm:num_requests_waiting 1e1\n'
    assert read_queue(text.encode()) == (3, 10)


@pytest.mark.fault(9)
async def test_server_that_stops_answering_is_left_alone_and_what_is_out_fails_over(caplog):
    stuck, well = FakeEndpoint(), FakeEndpoint()
    async with serve_replicas(stuck, well) as urls, open_pool(*urls, timeout_s=18, max_in_flight=8) as pool:
        await asyncio.gather(*(pool.complete("text", ask()) for _ in range(16)))
        assert stuck.requests  # its pace is known
        stuck.answer = lambda _: NEVER
        with caplog.at_level(logging.WARNING):
            started = time.monotonic()
            replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(24)))
        assert time.monotonic() - started < 60
        assert [reply.text for reply in replies] == [str(n) for n in range(24)]
        failed_over = [reply for reply in replies if len(reply.requests) > 1]
        assert failed_over
        assert all("has answered none of" in reply.requests[0]["error"] for reply in failed_over)
        assert all(reply.requests[-1]["replica"] == well.base_url for reply in failed_over)
        state = pool.states()[0].replicas[0]
        assert (state.condition, state.in_flight) == ("paused", 0)
        assert "has answered none of" in state.trouble
    assert "paused" in caplog.text


@pytest.mark.fault(11)
async def test_queue_in_the_metrics_of_the_server_cuts_the_concurrency():
    fake = FakeEndpoint(answer=lambda _: Reply.text("fine", delay_s=0.1))
    fake.compute_at_once(4)
    async with fake, open_pool(fake.base_url, timeout_s=60, max_in_flight=64) as pool:
        calls = [asyncio.create_task(pool.complete("text", ask())) for _ in range(300)]
        state = None
        while not any(call.done() for call in calls[-1:]):
            await asyncio.sleep(0.1)
            state = pool.states()[0].replicas[0]
            if state.limit <= 16:
                break
        assert state.limit <= 16
        assert state.limited_by == "queue"
        assert state.queued is not None
        assert (state.condition, state.errors) == ("up", 0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("metrics", [None, lambda: "llamacpp:requests_processing 3\n", lambda: 1 / 0])
async def test_server_without_metrics_of_vllm_is_not_asked_again_soon_and_not_blamed(metrics):
    fake = FakeEndpoint(answer=lambda _: Reply.text("fine", delay_s=2.4))
    fake.metrics = metrics
    async with fake, open_pool(fake.base_url) as pool:
        assert (await pool.complete("text", ask())).text == "fine"
        state = pool.states()[0].replicas[0]
    assert fake.metrics_asked == 1
    assert (state.condition, state.errors, state.queued, state.limited_by) == ("up", 0, None, None)


@pytest.mark.fault(40)
async def test_requests_that_were_out_while_this_process_was_stopped_are_sent_again_once_and_blame_nobody():
    lost = [NEVER] * 20
    with serve_in_thread(FakeEndpoint(*lost, answer=plain_answer)) as fake:
        async with open_pool(fake.base_url, timeout_s=2.0, max_retries=0, max_in_flight=64) as pool:
            calls = [asyncio.create_task(pool.complete("text", ask(str(n)))) for n in range(20)]
            while len(fake.requests) < 20:  # noqa: ASYNC110 (the server is in another thread)
                await asyncio.sleep(0.01)
            time.sleep(5.5)  # noqa: ASYNC251 (the event loop is meant to stand still)
            replies = await asyncio.gather(*calls)
            assert [reply.text for reply in replies] == [str(n) for n in range(20)]
            assert len(fake.requests) == 40
            state = pool.states()[0].replicas[0]
            assert (state.condition, state.errors, state.limit) == ("up", 0, 64)
