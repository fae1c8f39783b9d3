import json

import pytest

from routenator.engine.evaluation.calls import Call, parse_reply, read_tool_calls

PLAY = Call("PlayMusic", {"artist": "Nina Simone", "year": 1965})
AS_JSON = json.dumps({"name": "PlayMusic", "arguments": {"artist": "Nina Simone", "year": 1965}})


@pytest.mark.parametrize(
    "text",
    [
        AS_JSON,
        f"[{AS_JSON}]",
        f"<tool_call>\n{AS_JSON}\n</tool_call>",
        f"<tool_call>{AS_JSON}",
        f"[TOOL_CALLS] [{AS_JSON}]",
        "<|python_tag|>" + AS_JSON.replace("arguments", "parameters"),
        f"```json\n{AS_JSON}\n```",
        json.dumps({"name": "PlayMusic", "arguments": json.dumps(PLAY.arguments)}),
        'PlayMusic(artist="Nina Simone", year=1965)',
        "[PlayMusic(artist='Nina Simone', year=1965)]",
        "<<<api_call>>>: PlayMusic(artist='Nina Simone', year=1965)",
    ],
)
def test_every_form_of_a_call_is_read_as_the_same_call(text):
    parsed = parse_reply(text)
    assert parsed.valid, parsed.problem
    assert parsed.calls == (PLAY,)


@pytest.mark.parametrize("text", ["", "I cannot help with that.", "[]", "Sure (of course)!", "hello [world]"])
def test_words_and_an_empty_list_are_no_call(text):
    parsed = parse_reply(text)
    assert parsed.valid
    assert parsed.call is None


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "PlayMusic", "arguments": {"artist": "Nina',
        '{"artist": "Nina Simone"}',
        '{"name": "PlayMusic", "arguments": ["Nina"]}',
        '{"name": "PlayMusic", "arguments": "{artist"}',
        "<tool_call>{</tool_call>",
        "PlayMusic(artist='Nina",
        "PlayMusic('Nina Simone')",
        "PlayMusic(artist=open('file').read())",
        "PlayMusic(**{'artist': 'Nina'})",
        "PlayMusic(artist=b'Nina')",
        "PlayMusic(artist={'Nina', 'Simone'})",
        '{"name": "PlayMusic", "arguments": ' + '{"a": ' * 200_000,
    ],
)
def test_a_call_that_cannot_be_read_is_not_valid(text):
    parsed = parse_reply(text)
    assert not parsed.valid
    assert parsed.problem


def test_several_tagged_calls_are_read_in_order():
    other = {"name": "GetWeather", "arguments": {"city": "Oslo"}}
    parsed = parse_reply(f"<tool_call>{AS_JSON}</tool_call>\n<tool_call>{json.dumps(other)}</tool_call>")
    assert parsed.calls == (PLAY, Call("GetWeather", {"city": "Oslo"}))


def test_tool_calls_of_the_chat_protocol_are_read():
    call = {"type": "function", "function": {"name": "PlayMusic", "arguments": json.dumps(PLAY.arguments)}}
    assert read_tool_calls({"content": None, "tool_calls": [call]}).calls == (PLAY,)


def test_tool_calls_with_broken_arguments_are_not_valid():
    call = {"type": "function", "function": {"name": "PlayMusic", "arguments": "{"}}
    assert not read_tool_calls({"tool_calls": [call]}).valid


def test_a_message_without_tool_calls_is_read_by_its_text():
    assert read_tool_calls({"content": AS_JSON, "tool_calls": []}).calls == (PLAY,)


def test_arguments_that_are_nested_without_end_are_not_valid():
    for depth, valid in ((40, True), (300, False), (900, False)):
        reply = parse_reply('{"name": "f", "arguments": {"a": ' + "[" * depth + "]" * depth + "}}")
        assert reply.valid is valid
