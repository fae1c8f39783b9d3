import json

import pytest
from fakes.endpoint import FakeEndpoint, Reply
from fakes.pool import ask, open_pool

from routenator.engine.errors import TruncatedError

TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


def called(*tool_calls, content=None, finish_reason="tool_calls"):
    message = {"role": "assistant", "content": content, "tool_calls": list(tool_calls)}
    return Reply(body={"model": None, "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})


def call(name, arguments):
    return {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}


async def test_tools_are_sent_and_calls_come_back_as_the_model_wrote_them():
    script = called(call("search", '{"q": "cat'), call("other", {"a": 1}))
    async with FakeEndpoint(script) as fake, open_pool(fake.base_url) as pool:
        reply = await pool.complete("text", ask(tools=(TOOL,)))
    assert fake.requests[0].body["tools"] == [TOOL]
    assert fake.requests[0].body["tool_choice"] == "auto"
    assert [c["function"]["name"] for c in reply.tool_calls] == ["search", "other"]
    assert reply.tool_calls[0]["function"]["arguments"] == '{"q": "cat'
    assert json.loads(reply.tool_calls[1]["function"]["arguments"]) == {"a": 1}
    assert reply.text == ""


async def test_a_request_without_tools_names_none():
    async with FakeEndpoint() as fake, open_pool(fake.base_url) as pool:
        reply = await pool.complete("text", ask())
    assert not {"tools", "tool_choice"} & fake.requests[0].body.keys()
    assert reply.tool_calls == ()


async def test_a_call_that_was_cut_off_is_truncated():
    script = called(call("search", '{"q": "cat'), finish_reason="length")
    async with FakeEndpoint(script) as fake, open_pool(fake.base_url) as pool:
        with pytest.raises(TruncatedError) as caught:
            await pool.complete("text", ask(tools=(TOOL,)))
    assert caught.value.partial_text == '{"q": "cat'


async def test_nonsense_in_place_of_calls_is_passed_over():
    script = called("x", {"function": None}, {"function": {"name": 5}}, content="words", finish_reason="stop")
    async with FakeEndpoint(script) as fake, open_pool(fake.base_url) as pool:
        reply = await pool.complete("text", ask(tools=(TOOL,)))
    assert (reply.text, reply.tool_calls) == ("words", ())
