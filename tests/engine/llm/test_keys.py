"""No key in any message, trace or log, and none sent where it does not belong."""

import logging

import pytest
from fakes.endpoint import FakeEndpoint, Reply
from fakes.pool import ask, open_pool

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.errors import AuthError, ConfigError, EndpointError
from routenator.engine.llm.pool import LlmPool

CANARY = "sk-canary-5d41402abc4b2a76"


# 16
@pytest.mark.parametrize("status", [401, 403])
async def test_refused_key_is_not_retried_and_shows_nowhere(status, monkeypatch, caplog):
    monkeypatch.setenv("WRITER_KEY", CANARY)
    fault = Reply.status(status, f"Incorrect API key provided: {CANARY} for Bearer {CANARY}")
    async with FakeEndpoint(fault) as fake, open_pool(fake.base_url, api_key_env="WRITER_KEY") as pool:
        with pytest.raises(AuthError) as caught, caplog.at_level(logging.DEBUG):
            await pool.complete("text", ask())
        assert fake.requests[0].headers["Authorization"] == f"Bearer {CANARY}"
    assert len(fake.requests) == 1
    assert not caught.value.retryable
    seen = f"{caught.value} {caught.value!r} {caught.value.requests} {caught.value.hint} {caplog.text}"
    assert CANARY not in seen


async def test_key_and_userinfo_are_scrubbed_from_replies_errors_and_traces(monkeypatch, caplog):
    monkeypatch.setenv("WRITER_KEY", CANARY)
    words = f"proxy http://user:{CANARY}@host/ said no to Bearer {CANARY}"
    script = [Reply.status(500, words), Reply.text(f"key {CANARY}")]
    async with FakeEndpoint(*script) as fake, open_pool(fake.base_url, api_key_env="WRITER_KEY") as pool:
        with caplog.at_level(logging.DEBUG):
            reply = await pool.complete("text", ask())
    assert len(reply.requests) == 2
    assert CANARY not in f"{reply} {caplog.text}"


async def test_userinfo_of_a_url_shows_nowhere(caplog):
    async with FakeEndpoint() as fake:
        endpoint = Endpoint(kind="embedded", model="fake", max_retries=0)
        url = fake.base_url.replace("//", f"//user:{CANARY}@")
        pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles={"text": "e"}), {"e": (url,)})
        with caplog.at_level(logging.DEBUG), pytest.raises(EndpointError) as caught:
            await pool.complete("text", ask())
        await pool.aclose()
    assert caught.value.requests[0]["replica"] == fake.base_url
    assert CANARY not in f"{caught.value} {caught.value.requests} {caplog.text}"


async def test_missing_keys_are_all_named_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("KEY_A", raising=False)
    monkeypatch.setenv("KEY_B", "pasted ключ")
    endpoints = {
        name: Endpoint(base_url="http://127.0.0.1:1/v1", model="m", api_key_env=f"KEY_{name.upper()}") for name in "ab"
    }
    with pytest.raises(ConfigError) as caught:
        LlmPool(EndpointsFile(endpoints=endpoints, roles={"text": "a", "judge": "b"}))
    assert [fault.field for fault in caught.value.faults] == ["endpoints.a.api_key_env", "endpoints.b.api_key_env"]
    assert "ключ" not in str(caught.value)


async def test_no_key_of_the_environment_goes_to_a_server_that_needs_none(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, CANARY)
    async with FakeEndpoint() as fake, open_pool(fake.base_url) as pool:
        await pool.complete("text", ask())
    assert CANARY not in str(fake.requests[0].headers)
