import dataclasses
import time

import pytest
from fakes.endpoint import NEVER, FakeEndpoint, Reply, plain_answer

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.llm.checking import check_roles
from routenator.engine.llm.pool import LlmPool


async def check(*urls, roles=("text",), **settings):
    endpoint = Endpoint(base_url=urls, **{"model": "fake", "max_retries": 1, "timeout_s": 5.0, **settings})
    pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles=dict.fromkeys(roles, "e")))
    try:
        return await check_roles(pool)
    finally:
        await pool.aclose()


async def test_working_text_endpoint_is_described():
    async with FakeEndpoint() as fake:
        checks = await check(fake.base_url)
    found = checks["text"]
    assert found.works
    assert (found.endpoint, found.model, found.reachable) == ("e", "fake", (1, 1))
    assert (found.structured_output, found.vision) == ("json_schema", False)
    assert found.latency_ms > 0
    assert found.tokens_per_s > 0
    assert checks["judge"].endpoint is None
    assert not checks["judge"].works


async def test_model_that_sees_is_told_from_one_that_does_not():
    async with FakeEndpoint(vision=True) as seeing, FakeEndpoint() as blind:
        sees = (await check(seeing.base_url, roles=("text", "vision")))["vision"]
        does_not = await check(blind.base_url, roles=("text", "vision"))
    assert (sees.works, sees.vision) == (True, True)
    assert not does_not["vision"].works
    assert "cannot see" in does_not["vision"].problems[0].what
    assert does_not["text"].works


async def test_server_that_drops_the_image_without_a_word_does_not_see():
    async with FakeEndpoint(vision=True, answer=lambda body: Reply.json({"color": "red"}, prompt_tokens=20)) as fake:
        assert (await check(fake.base_url))["text"].vision is False


async def test_declared_vision_is_not_probed():
    async with FakeEndpoint(vision=False) as fake:
        assert (await check(fake.base_url, roles=("vision",), vision=True))["vision"].works
        assert not any(isinstance(sent.body["messages"][0]["content"], list) for sent in fake.requests)


async def test_endpoint_with_two_roles_is_probed_once():
    async with FakeEndpoint() as fake:
        await check(fake.base_url)
        once = len(fake.requests)
        await check(fake.base_url, roles=("text", "judge"))
        assert len(fake.requests) == 2 * once


async def test_structured_output_is_negotiated_down():
    def answer(body):
        if "response_format" in body:
            return Reply.status(400, "response_format is not supported")
        return Reply.json({"color": "red"})

    async with FakeEndpoint(answer=answer) as fake:
        found = (await check(fake.base_url))["text"]
    assert (found.structured_output, found.works) == ("text", True)


async def test_chatty_model_without_json_is_a_problem():
    async with FakeEndpoint(answer=lambda body: Reply.text("The sky is blue.")) as fake:
        found = (await check(fake.base_url))["text"]
    assert (found.structured_output, found.works) == (None, False)
    assert "no JSON object" in found.problems[0].what
    assert found.tokens_per_s is not None


@pytest.mark.parametrize(
    ("fake", "words"),
    [
        (FakeEndpoint(model="other"), "does not serve fake"),
        (FakeEndpoint(api_key="right"), "refused the key"),
        (FakeEndpoint(answer=lambda body: Reply.status(500, "kaboom")), "kaboom"),
        (FakeEndpoint(answer=lambda body: Reply.text("hi", model="other")), "model other answered"),
        (FakeEndpoint(answer=lambda body: Reply.text(" " * 300, "length")), "white space without end"),
    ],
)
async def test_what_is_wrong_is_said_with_a_fix(fake, words):
    async with fake:
        found = (await check(fake.base_url))["text"]
    assert not found.works
    assert words in found.problems[0].what
    assert found.problems[0].fix


async def test_silent_server_is_given_up_and_said():
    async with FakeEndpoint(answer=lambda body: NEVER) as fake:
        found = (await check(fake.base_url, timeout_s=0.2, max_retries=0))["text"]
    assert "no complete answer" in found.problems[0].what


@pytest.mark.parametrize("live_first", [True, False])
async def test_dead_replica_is_a_problem_but_not_fatal_while_the_other_is_measured(live_first):
    gone = FakeEndpoint()
    await gone.start()
    await gone.stop()
    async with FakeEndpoint() as fake:
        urls = (fake.base_url, gone.base_url) if live_first else (gone.base_url, fake.base_url)
        started = time.monotonic()
        found = (await check(*urls))["text"]
        assert time.monotonic() - started < 5
    assert found.reachable == (1, 2)
    assert found.works
    assert [problem.what for problem in found.problems] == [f"{gone.base_url}: no connection: Connection refused"]
    assert found.latency_ms is not None
    none = (await check(gone.base_url))["text"]
    assert (none.reachable, none.works, none.latency_ms) == ((0, 1), False, None)


async def test_server_without_a_list_of_models_may_work_all_the_same():
    from aiohttp import web

    async with FakeEndpoint() as fake:

        async def chat(request):
            reply = plain_answer(await request.json())
            return web.json_response({**reply.body, "model": "fake"})

        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        found = (await check(f"http://127.0.0.1:{port}/v1"))["text"]
        await runner.cleanup()
    assert found.works
    assert fake.requests == []


async def test_embedded_endpoint_that_was_not_started_is_a_problem_and_not_a_crash():
    endpoints = EndpointsFile(endpoints={"e": Endpoint(kind="embedded", model="m")}, roles={"text": "e"})
    found = (await check_roles(LlmPool(endpoints)))["text"]
    assert "was not started" in found.problems[0].what
    assert dataclasses.asdict(found)["role"] == "text"
