import json

import pytest

from routenator.engine.config import Endpoint
from routenator.engine.errors import EndpointError
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.chat_body import build_body

MESSAGES = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "go"})


def schema_with(pattern):
    return {"type": "object", "properties": {"query": {"type": "string", "pattern": pattern}}, "required": ["query"]}


def build(request, mode=None, **settings):
    return json.loads(build_body(Endpoint(base_url="http://h/v1", model="m", **settings), request, mode))


def test_plain_request_holds_nothing_that_was_not_asked_for():
    body = build(ChatRequest(MESSAGES, seed=7))
    assert body.keys() == {"model", "messages", "max_tokens", "temperature", "top_p", "seed"}
    assert body["messages"] == list(MESSAGES)


def test_extra_fields_of_the_endpoint_are_added():
    body = build(ChatRequest(MESSAGES), extra_body={"priority": 3, "chat_template_kwargs": {"enable_thinking": False}})
    assert (body["priority"], body["chat_template_kwargs"]) == (3, {"enable_thinking": False})


def test_several_replies_are_asked_for_with_n():
    assert build(ChatRequest(MESSAGES, n=4))["n"] == 4


def test_text_that_has_no_utf8_form_is_an_error_of_the_request():
    with pytest.raises(EndpointError, match="cannot be written as JSON") as caught:
        build(ChatRequest(({"role": "user", "content": "\ud800"},)))
    assert not caught.value.retryable


def test_pattern_goes_to_the_decoder_but_not_into_words_which_stay_the_same_for_every_sample():
    first, second = (ChatRequest(MESSAGES, schema=schema_with(pattern)) for pattern in ("^a$", "^b$"))
    guided = build(first, "json_schema")["response_format"]["json_schema"]["schema"]
    assert guided == schema_with("^a$")
    assert build(first, "json_object")["messages"] == build(second, "json_object")["messages"]
    assert '"query"' in build(first, "text")["messages"][0]["content"]
