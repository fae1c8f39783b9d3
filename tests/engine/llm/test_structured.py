import json

import pytest
from fakes.endpoint import FakeEndpoint, Reply
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.errors import EndpointError, ParseError
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.pool import LlmPool
from routenator.engine.llm.structured import parse_json

SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "minLength": 1}, "style": {"type": "string", "enum": ["flat", "retro"]}},
    "required": ["query"],
    "additionalProperties": False,
}


# 20
@pytest.mark.parametrize(
    "text",
    [
        '{"query": "a logo"}',
        '  \n{"query": "a logo"}\n\n',
        '```json\n{"query": "a logo"}\n```',
        '```\n{"query": "a logo"}```',
        'Sure! Here it is:\n```json\n{"query": "a logo"}\n```\nAnything else?',
        'Here: {"query": "a logo"} and {"query": "another"}',
        '{"query": "a logo"}\n{"query": "again"}',
        '```json\n{"query": "a logo"}',
    ],
)
def test_json_is_found_in_fences_and_prose(text):
    assert parse_json(text, SCHEMA) == {"query": "a logo"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object"),
        ("I cannot help with that.", "no JSON object"),
        ('{"query": "a lo', "cut off"),
        ('{"query": "a logo"', "cut off"),
        ('{"query": ', "cut off"),
        ('{"query": "a", "query": "b"}', "key 'query' twice"),
        ('words {"query": "a", "query": "b"}', "key 'query' twice"),
        ('{"query": "a",}', "broken"),
        ("{'query': 'a'}", "broken"),
        ('["query"]', "not a JSON list"),
        ('"query"', "not a JSON str"),
        ('{"query": NaN}', "NaN is no JSON value"),
        ('{"query": 1e999}', "too large a number"),
        ('{"query": 3}', 'query: 3 is not of type "string"'),
        ('{"style": "flat"}', '"query" is a required property'),
        ('{"query": "a", "style": "loud"}', 'style: "loud" is not one of'),
        ('{"query": "a", "label": "b"}', "'label' was unexpected"),
        (r'{"query": "\ud83d"}', "surrogate"),
        ('{"query": ' + "9" * 5000 + "}", "number that is too long"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_with_the_json_is_said_for_the_next_prompt(text, words):
    with pytest.raises(ParseError) as caught:
        parse_json(text, SCHEMA)
    assert words in caught.value.what
    assert len(caught.value.what) < 1500


def test_schema_reference_is_never_fetched():
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    with pytest.raises(ParseError, match="schema"):
        parse_json("{}", schema)


WORDS = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(WORDS, parts, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(WORDS, VALUES, max_size=4), st.sampled_from(["{}", "```json\n{}\n```", "Here you are:\n{}\nBye."])
)
def test_every_object_survives_its_wrapping(value, wrapping):
    text = wrapping.replace("{}", json.dumps(value))
    assert parse_json(text, {"type": "object"}) == value


@given(st.text() | st.text(alphabet='{}[]":,\\ \n`aé1\ud800'))
def test_any_text_gives_an_object_or_a_parse_error(text):
    try:
        assert isinstance(parse_json(text, {"type": "object"}), dict)
    except ParseError as exc:
        assert exc.what


async def ask(fake, times=1, **settings):
    endpoint = Endpoint(base_url=fake.base_url, model="fake", max_retries=0, **settings)
    pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles={"text": "e"}))
    request = ChatRequest(
        ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "go"}), schema=SCHEMA
    )
    try:
        return [await pool.complete("text", request) for _ in range(times)]
    finally:
        await pool.aclose()


def formats(fake):
    return [sent.body.get("response_format", {}).get("type") for sent in fake.requests]


def refuse(*kinds):
    def answer(body):
        if body.get("response_format", {}).get("type") in kinds:
            return Reply.status(400, "unknown field response_format")
        return Reply.json({"query": "a"})

    return answer


async def test_json_schema_is_asked_for_first_and_kept():
    async with FakeEndpoint() as fake:
        replies = await ask(fake, times=2)
    assert formats(fake) == ["json_schema", "json_schema"]
    assert fake.requests[0].body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert fake.requests[0].body["messages"][0]["content"] == "Be brief."
    assert replies[0].requests[0]["mode"] == "json_schema"


@pytest.mark.parametrize(
    ("refused", "asked"),
    [
        (["json_schema"], ["json_schema", "json_object", "json_object"]),
        (["json_schema", "json_object"], ["json_schema", "json_object", None, None]),
    ],
)
async def test_refused_format_steps_down_once_and_is_remembered(refused, asked):
    async with FakeEndpoint(answer=refuse(*refused)) as fake:
        replies = await ask(fake, times=2)
    assert formats(fake) == asked
    assert len(replies[0].requests) == len(asked) - 1
    assert json.dumps(SCHEMA, separators=(",", ":")) in fake.requests[-1].body["messages"][0]["content"]


async def test_answer_that_ignores_the_format_steps_down():
    def answer(body):
        return Reply.text("Sure, a logo!") if "response_format" in body else Reply.text('```json\n{"query": "a"}\n```')

    async with FakeEndpoint(answer=answer) as fake:
        (reply,) = await ask(fake)
    assert formats(fake) == ["json_schema", "json_object", None]
    assert parse_json(reply.text, SCHEMA) == {"query": "a"}


async def test_one_odd_answer_of_a_proven_endpoint_does_not_step_down():
    async with FakeEndpoint(Reply.json({"query": "a"}), Reply.text("Sure!")) as fake:
        replies = await ask(fake, times=2)
    assert replies[1].text == "Sure!"
    assert formats(fake) == ["json_schema"] * 2


async def test_given_mode_is_taken_as_given():
    async with FakeEndpoint(answer=refuse("json_object")) as fake:
        with pytest.raises(EndpointError, match="response_format"):
            await ask(fake, structured_output="json_object")
    assert formats(fake) == ["json_object"]


async def test_calls_at_once_step_down_only_once():
    import asyncio

    async with FakeEndpoint(answer=refuse("json_schema")) as fake:
        endpoint = Endpoint(base_url=fake.base_url, model="fake", max_retries=0)
        pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles={"text": "e"}))
        request = ChatRequest(({"role": "user", "content": "go"},), schema=SCHEMA)
        await asyncio.gather(*(pool.complete("text", request) for _ in range(10)))
        assert pool.client_of("text").negotiation.mode == "json_object"
        await pool.aclose()
    assert None not in formats(fake)
