"""The pool against the scripted endpoint: one test for each fault that a bulk run meets."""

import asyncio
import json
import logging
import time

import pytest
from fakes.endpoint import HANG_UP, NEVER, RESET, FakeEndpoint, Reply, plain_answer, serve_replicas
from fakes.pool import ask, make_pool, open_pool

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.errors import (
    DegenerateError,
    EndpointError,
    TruncatedError,
    WrongModelError,
)
from routenator.engine.llm.pool import LlmPool

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
    "additionalProperties": False,
}


async def test_reply_holds_what_the_trace_needs():
    async with (
        FakeEndpoint(Reply.text("hi", prompt_tokens=3, completion_tokens=2)) as fake,
        open_pool(fake.base_url) as pool,
    ):
        reply = await pool.complete("text", ask(seed=7, stop=("\n",), max_tokens=33, temperature=0.5, top_p=0.9))
    assert (reply.text, reply.finish_reason, reply.endpoint, reply.model) == ("hi", "stop", "writer", "fake")
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 2)
    assert reply.latency_ms > 0
    (request,) = reply.requests
    assert request["replica"] == fake.base_url
    assert (request["status"], request["error"]) == (200, None)
    sent = fake.requests[0].body
    assert sent["messages"] == [{"role": "user", "content": "hello"}]
    assert (sent["seed"], sent["stop"], sent["max_tokens"]) == (7, ["\n"], 33)
    assert (sent["temperature"], sent["top_p"]) == (0.5, 0.9)


@pytest.mark.fault(1)
async def test_refused_connection_fails_over_and_opens_that_replicas_breaker():
    gone = FakeEndpoint()
    await gone.start()
    await gone.stop()
    async with FakeEndpoint() as fake, open_pool(gone.base_url, fake.base_url) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(30)))
        assert [reply.text for reply in replies] == [str(n) for n in range(30)]
        first, second = pool.client_of("text").replicas
        assert first.breaker.is_open
        assert not second.breaker.is_open
        tried = [request for reply in replies for request in reply.requests if request["replica"] == gone.base_url]
        assert tried
        assert all(request["error"].startswith("endpoint: no connection") for request in tried)


async def test_refused_connection_without_another_replica_gives_up_after_the_retries():
    gone = FakeEndpoint()
    await gone.start()
    await gone.stop()
    async with open_pool(gone.base_url) as pool:
        with pytest.raises(EndpointError, match="no connection") as caught:
            await pool.complete("text", ask())
    assert caught.value.retryable
    assert len(caught.value.requests) == 3
    assert [request["wait_s"] > 0.1 for request in caught.value.requests] == [False, True, True]


@pytest.mark.fault(2)
async def test_reset_in_mid_body_is_retried_and_kept_in_the_requests():
    async with FakeEndpoint(Reply.text("x" * 5000, cut_after=100)) as fake, open_pool(fake.base_url) as pool:
        reply = await pool.complete("text", ask())
    assert reply.text == "hello"
    assert [request["error"] is None for request in reply.requests] == [False, True]


@pytest.mark.fault(3)
@pytest.mark.parametrize("fault", [HANG_UP, RESET])
async def test_connection_closed_before_an_answer_costs_no_attempt_once(fault):
    async with FakeEndpoint(Reply.text("warm"), fault) as fake, open_pool(fake.base_url, max_retries=0) as pool:
        await pool.complete("text", ask())
        reply = await pool.complete("text", ask())
        assert reply.text == "hello"
        assert len(reply.requests) == 2
        fake.script.extend([fault, fault])
        with pytest.raises(EndpointError, match="closed before an answer"):
            await pool.complete("text", ask())


async def test_server_that_closes_all_idle_connections_at_once_is_not_taken_for_dead():
    async with FakeEndpoint(*[HANG_UP] * 10) as fake, open_pool(fake.base_url, max_retries=0) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(10)))
        assert [reply.text for reply in replies] == [str(n) for n in range(10)]
        assert not pool.client_of("text").replicas[0].breaker.is_open


@pytest.mark.fault(4)
async def test_headers_that_never_come_are_cut_by_the_deadline():
    async with FakeEndpoint(NEVER, NEVER) as fake, open_pool(fake.base_url, timeout_s=0.3, max_retries=1) as pool:
        started = time.monotonic()
        with pytest.raises(EndpointError, match=r"no complete answer within 0\.3 s") as caught:
            await pool.complete("text", ask())
        assert time.monotonic() - started < 3
    assert caught.value.retryable
    assert [300 <= request["latency_ms"] < 1500 for request in caught.value.requests] == [True, True]


@pytest.mark.fault(5)
async def test_dripping_body_is_cut_by_the_deadline():
    drip = Reply.text("x" * 1000, drip=(10, 0.1))
    async with FakeEndpoint(drip) as fake, open_pool(fake.base_url, timeout_s=0.5) as pool:
        reply = await pool.complete("text", ask())
    assert reply.text == "hello"
    assert reply.requests[0]["error"].startswith("endpoint: no complete answer")


async def test_one_call_never_takes_longer_than_its_deadline():
    faults = [Reply.status(500) for _ in range(50)]
    async with FakeEndpoint(*faults) as fake, open_pool(fake.base_url, timeout_s=0.1, max_retries=20) as pool:
        started = time.monotonic()
        with pytest.raises(EndpointError):
            await pool.complete("text", ask())
        assert time.monotonic() - started < 0.1 * 21 + 1.5


@pytest.mark.fault(6)
async def test_reply_without_a_finish_reason_is_truncated():
    async with FakeEndpoint(Reply.text('{"query": "a"}', None)) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(TruncatedError):
            await pool.complete("text", ask())


@pytest.mark.fault(7)
async def test_error_in_a_200_is_an_error():
    fault = Reply(body={"error": {"message": "engine is dead"}})
    async with FakeEndpoint(fault, fault, fault) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(EndpointError, match="engine is dead"):
            await pool.complete("text", ask())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        {"choices": []},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": 3}}]},
    ],
)
async def test_200_that_is_no_completion_is_an_endpoint_error(body):
    async with FakeEndpoint(Reply(body=body)) as fake, open_pool(fake.base_url, max_retries=0) as pool:
        with pytest.raises(EndpointError) as caught:
            await pool.complete("text", ask())
    assert caught.value.requests[0]["status"] == 200


@pytest.mark.fault(8)
async def test_breaker_lets_one_canary_through_and_goes_on_when_the_port_is_back():
    fake = FakeEndpoint(answer=lambda _: Reply.status(500))
    await fake.start()
    async with open_pool(fake.base_url, max_retries=4) as pool:
        calls = [asyncio.create_task(pool.complete("text", ask(str(n)))) for n in range(8)]
        while pool.trouble("text") is None:  # noqa: ASYNC110 (what a run does, too)
            await asyncio.sleep(0.01)
        await fake.stop()  # what was out when the breaker opened has arrived, or never will
        refused = len(fake.requests)
        fake.answer = plain_answer
        await fake.start()
        replies = await asyncio.gather(*calls)
        assert [reply.text for reply in replies] == [str(n) for n in range(8)]
        assert len(fake.requests) - refused == 8  # nobody but the canary knocked while the breaker was open
        assert pool.trouble("text") is None
    await fake.stop()


@pytest.mark.fault(10)
async def test_burst_of_429_is_one_cut_and_retry_after_is_honoured():
    burst = [Reply.status(429, headers={"Retry-After": "1"}) for _ in range(8)]
    async with FakeEndpoint(*burst) as fake, open_pool(fake.base_url, max_in_flight=8) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(str(n))) for n in range(8)))
        assert pool.client_of("text").replicas[0].limit in (4, 5)  # halved once, then growing
    assert [reply.text for reply in replies] == [str(n) for n in range(8)]
    refused_at = [request.at for request in fake.requests[:8]]
    assert min(request.at for request in fake.requests[8:]) - max(refused_at) >= 1.0


async def test_retry_after_beyond_the_deadline_gives_up_at_once():
    fault = Reply.status(503, "try tomorrow", headers={"Retry-After": "86400"})
    async with FakeEndpoint(fault) as fake, open_pool(fake.base_url) as pool:
        started = time.monotonic()
        with pytest.raises(EndpointError, match="try tomorrow") as caught:
            await pool.complete("text", ask())
        assert time.monotonic() - started < 2
    assert caught.value.retry_after_s is not None
    assert len(fake.requests) == 1


@pytest.mark.fault(12)
async def test_context_length_exceeded_is_not_retried_and_keeps_the_servers_words():
    words = "This model's maximum context length is 2048 tokens. However, you requested 4096 tokens."
    async with FakeEndpoint(Reply.status(400, words)) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(EndpointError, match="maximum context length is 2048") as caught:
            await pool.complete("text", ask(schema=SCHEMA))
    assert (caught.value.status, caught.value.retryable) == (400, False)
    assert len(fake.requests) == 1


@pytest.mark.fault(13)
async def test_payload_that_always_gives_500_gets_a_bounded_number_of_attempts():
    def answer(body):
        poisoned = body["messages"][-1]["content"] == "poison"
        return Reply.status(500, "kaboom") if poisoned else Reply.text("fine")

    async with FakeEndpoint(answer=answer) as fake, open_pool(fake.base_url, max_retries=2) as pool:
        with pytest.raises(EndpointError, match="kaboom") as caught:
            await pool.complete("text", ask("poison"))
        assert len(caught.value.requests) == 3
        assert (await pool.complete("text", ask())).text == "fine"


@pytest.mark.fault(14)
@pytest.mark.fault(15)
@pytest.mark.parametrize(
    "fault", [Reply.status(404, "The model `fake` does not exist."), Reply.text("hi", model="other")]
)
async def test_wrong_model_pauses_the_endpoint_without_retries(fault, caplog):
    async with FakeEndpoint(fault) as fake, open_pool(fake.base_url, timeout_s=0.5, max_retries=0) as pool:
        with pytest.raises(WrongModelError, match="fake"), caplog.at_level(logging.WARNING):
            await pool.complete("text", ask())
        assert "writer" in caplog.text
        assert isinstance(pool.trouble("text"), WrongModelError)
        with pytest.raises(WrongModelError, match="not answering"):
            await pool.complete("text", ask())
        assert len(fake.requests) == 1  # the second call did not reach the server


async def test_wrong_model_on_one_replica_fails_over_to_the_other():
    wrong, right = FakeEndpoint(model="other"), FakeEndpoint()
    async with serve_replicas(wrong, right) as urls, open_pool(*urls) as pool:
        replies = [await pool.complete("text", ask(str(n))) for n in range(6)]
    assert [reply.text for reply in replies] == [str(n) for n in range(6)]
    assert len(wrong.requests) == 1


@pytest.mark.parametrize("answered", ["org/fake", "fake-2024-08-06", "FAKE", "fake:latest", ""])
async def test_other_spellings_of_the_model_are_the_same_model(answered):
    async with FakeEndpoint(Reply.text("hi", model=answered)) as fake, open_pool(fake.base_url) as pool:
        assert (await pool.complete("text", ask())).text == "hi"


@pytest.mark.fault(17)
async def test_finish_reason_length_is_truncated_and_keeps_the_partial_text():
    async with FakeEndpoint(Reply.text('{"query": "a lo', "length")) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(TruncatedError) as caught:
            await pool.complete("text", ask(schema=SCHEMA))
    assert caught.value.partial_text == '{"query": "a lo'
    assert [request["status"] for request in caught.value.requests] == [200]


@pytest.mark.fault(18)
@pytest.mark.parametrize(
    ("text", "finish"), [('{"query":' + " \n" * 200, "length"), (" " * 500, "length"), ("", "stop")]
)
async def test_endless_white_space_and_empty_replies_are_degenerate(text, finish):
    async with FakeEndpoint(Reply.text(text, finish)) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(DegenerateError) as caught:
            await pool.complete("text", ask(schema=SCHEMA))
    assert caught.value.error_class == "degenerate"
    assert caught.value.partial_text == text


@pytest.mark.fault(19)
@pytest.mark.fault(24)
async def test_bare_nan_and_half_surrogates_in_the_body_are_tolerated():
    body = Reply.text("a \ud800 b \x00").body
    body["choices"][0]["logprobs"] = {"content": [{"logprob": float("nan")}]}
    body["model"] = "fake"
    raw = json.dumps(body).encode()
    assert b"NaN" in raw
    async with FakeEndpoint(Reply(body=raw)) as fake, open_pool(fake.base_url) as pool:
        reply = await pool.complete("text", ask())
    assert reply.text == "a \\ud800 b \x00"
    assert reply.text.encode()


@pytest.mark.fault(21)
async def test_replies_out_of_order_are_never_cross_wired():
    def answer(body):
        nonce = body["messages"][-1]["content"]
        return Reply.text(nonce, delay_s=(hash(nonce) % 50) / 1000)

    fakes = [FakeEndpoint(answer=answer) for _ in range(2)]
    async with serve_replicas(*fakes) as urls, open_pool(*urls, max_in_flight=16) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(f"nonce {n}")) for n in range(200)))
    assert [reply.text for reply in replies] == [f"nonce {n}" for n in range(200)]
    assert all(fake.most_in_flight <= 16 for fake in fakes)
    assert all(len(fake.requests) > 50 for fake in fakes)


@pytest.mark.fault(23)
@pytest.mark.parametrize("status", [200, 500])
async def test_50_mb_reply_is_cut_off_at_the_cap(status):
    huge = Reply(body=b'{"error": "' + b"x" * 50_000_000 + b'"}', code=status)
    async with FakeEndpoint(huge) as fake, open_pool(fake.base_url, max_reply_bytes=100_000) as pool:
        with pytest.raises(EndpointError, match="larger than 100000 bytes"):
            await pool.complete("text", ask())
        assert (await pool.complete("text", ask())).text == "hello"
        assert fake.bytes_sent < 10_000_000


async def test_compressed_reply_is_refused_for_its_size_cannot_be_capped():
    reply = Reply(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    async with FakeEndpoint(reply) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(EndpointError, match="compresses"):
            await pool.complete("text", ask())
    assert fake.requests[0].headers["Accept-Encoding"] == "identity"


async def test_redirect_is_not_followed():
    async with FakeEndpoint() as other:
        redirect = Reply(code=307, headers={"Location": f"{other.base_url}/chat/completions"})
        async with FakeEndpoint(redirect) as fake, open_pool(fake.base_url) as pool:
            with pytest.raises(EndpointError, match="307"):
                await pool.complete("text", ask())
        assert other.requests == []


@pytest.mark.fault(35)
@pytest.mark.parametrize("fault", [NEVER, Reply.status(503, headers={"Retry-After": "4"}), Reply.status(500)])
async def test_cancellation_inside_a_call_propagates_at_once(fault):
    async with FakeEndpoint(*[fault] * 9) as fake, open_pool(fake.base_url, max_retries=8) as pool:
        call = asyncio.create_task(pool.complete("text", ask()))
        await asyncio.sleep(0.2)
        call.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert time.monotonic() - started < 0.5
        assert pool.client_of("text").replicas[0].in_flight == 0


async def test_cancelled_waiters_give_their_turn_to_the_next():
    slow = [Reply.text("slow", delay_s=0.2)]
    async with FakeEndpoint(*slow) as fake, open_pool(fake.base_url, max_in_flight=1) as pool:
        calls = [asyncio.create_task(pool.complete("text", ask(str(n)))) for n in range(6)]
        await asyncio.sleep(0.1)
        for call in calls[1:4]:
            call.cancel()
        done = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 3)
    assert [result.text for result in (done[0], done[4], done[5])] == ["slow", "4", "5"]


async def test_queueing_for_room_is_not_counted_against_the_deadline():
    def answer(body):
        return Reply.text("fine", delay_s=0.2)

    async with FakeEndpoint(answer=answer) as fake, open_pool(fake.base_url, max_in_flight=1, timeout_s=0.4) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask()) for _ in range(5)))
    assert [reply.text for reply in replies] == ["fine"] * 5
    assert fake.most_in_flight == 1


def test_pool_serves_one_event_loop_after_another():
    async def run(pool):
        async with FakeEndpoint(port=port) as fake:
            reply = await pool.complete("text", ask())
            await pool.aclose()
            return reply.text, len(fake.requests)

    fake = FakeEndpoint()

    async def find_port():
        async with fake:
            return fake.port

    port = asyncio.run(find_port())
    pool = make_pool(f"http://127.0.0.1:{port}/v1")
    assert [asyncio.run(run(pool)) for _ in range(2)] == [("hello", 1)] * 2


async def test_role_without_an_endpoint_says_so():
    endpoint = Endpoint(base_url="http://127.0.0.1:1/v1", model="m")
    pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles={"text": "e", "judge": None}))
    with pytest.raises(EndpointError, match="no endpoint plays the role judge"):
        await pool.complete("judge", ask())
