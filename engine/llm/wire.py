"""What a reply over HTTP says: an answer, or a failure and what it is called. The same for every transport."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from routenator.engine.errors import AuthError, EndpointError, WrongModelError
from routenator.engine.llm.chat import Choice
from routenator.engine.llm.chat_client import ChatClient, RawReply
from routenator.engine.llm.keys import scrub

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_VERSION_SUFFIX = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})|:latest")
_LONGEST_QUOTE = 300
LONGEST_RETRY_AFTER_S = 30.0
"""A server that asks for more is asked again after it: one wrong date must not end a run."""
_LARGEST = 2**53
"""From here on, floats no longer hold every whole number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one successful HTTP request brought: `choices` in the server's order, tokens over all of them."""

    choices: tuple[Choice, ...]
    model: str
    prompt_tokens: int
    completion_tokens: int


async def send_chat(client: ChatClient, content: bytes, asked_model: str, key: str | None) -> Answer:
    """Send one chat request and read its answer.

    Args:
        client: One replica's.
        content: The body; see `routenator.engine.llm.chat_body.build_body`.
        asked_model: The model that the body names.
        key: Blotted out of whatever the server says.

    Raises:
        AuthError: 401 or 403.
        WrongModelError: 404, or another model answered.
        DisconnectedError: No answer came, the connection was closed.
        EndpointError: Anything else; `retryable` says whether the same request may succeed later.
    """
    reply = await client.post_chat(content)
    if reply.status != 200:
        raise error_of_status(reply, asked_model, key)
    return read_answer(reply.content, asked_model, key)


async def ask_models(client: ChatClient, key: str | None) -> tuple[str, ...]:
    """The names of the models that the server lists; empty if it keeps no such list.

    Raises:
        EndpointError: As `send_chat`.
    """
    reply = await client.get_models()
    if reply.status in (404, 405):
        return ()
    if reply.status != 200:
        raise error_of_status(reply, "", key)
    body = read_json(reply.content)
    listed = body.get("data") if isinstance(body, dict) else None
    models = listed if isinstance(listed, list) else []
    return tuple(str(model["id"]) for model in models if isinstance(model, dict) and "id" in model)


def read_answer(content: bytes, asked_model: str, key: str | None) -> Answer:
    """Read the body of a 200.

    Raises:
        EndpointError: The body is an error, or no completion.
        WrongModelError: Another model answered.
    """
    body = read_json(content)
    if not isinstance(body, dict):
        raise EndpointError(
            f"status 200 with a body that is no completion: {quote(content, key)}", status=200, retryable=True
        )
    if body.get("error"):
        raise EndpointError(f"status 200 with an error in the body: {quote(content, key)}", status=200, retryable=True)
    try:
        listed = body["choices"]
        choices = tuple([_read_choice(listed[0], key), *(_read_choice(choice, key) for choice in listed[1:])])
    except (KeyError, IndexError, TypeError, AttributeError):
        raise EndpointError(
            f"status 200 without a completion: {quote(content, key)}", status=200, retryable=True
        ) from None
    model = str(body.get("model") or asked_model)
    if model != asked_model and not is_same_model(asked_model, model):
        raise WrongModelError(
            f"asked for model {asked_model}, model {scrub(model, key)} answered",
            status=200,
            hint="Serve the model of the endpoints file, or put the name that the server answers with into it.",
        )
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        choices,
        asked_model if model == asked_model else scrub(model, key),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _read_choice(choice: dict[str, Any], key: str | None) -> Choice:
    message = choice["message"]
    text = message.get("content") or ""
    if not isinstance(text, str):
        raise TypeError("the content is no text")
    return Choice(
        _clean(text, key),
        str(choice.get("finish_reason") or "none"),
        _least_logprob(choice.get("logprobs")),
        _tool_calls(message.get("tool_calls"), key),
    )


def _clean(text: str, key: str | None) -> str:
    """The text without the key, and with half surrogate pairs as escapes."""
    if key is not None:
        text = text.replace(key, "***")
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def _tool_calls(listed: Any, key: str | None) -> tuple[dict[str, Any], ...]:
    """Name and arguments of each call, the arguments as text; what is no call is passed over."""
    calls = []
    for item in listed if isinstance(listed, list) else ():
        function = item.get("function") if isinstance(item, dict) else None
        if isinstance(function, dict) and isinstance(name := function.get("name"), str):
            arguments = function.get("arguments") or "{}"
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            calls.append({"function": {"name": _clean(name, key), "arguments": _clean(text, key)}})
    return tuple(calls)


def _least_logprob(logprobs: Any) -> float | None:
    """Least of the tokens' log probabilities; ``None`` if the server gave none. Bare NaN and null are passed over."""
    if logprobs is None:
        return None
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    values: list[Any] = [token.get("logprob") for token in tokens or () if isinstance(token, dict)]
    return min((float(value) for value in values if _is_number(value)), default=None)


def read_json(content: bytes) -> Any:
    """The JSON in ``content``, also with bare NaN or half surrogate pairs; ``None`` when there is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            return None


def is_same_model(asked: str, answered: str) -> bool:
    """Whether ``answered`` is the model that was asked for.

    ``org/model`` and ``model`` are the same, and so are a name and its dated version (``gpt-x``, ``gpt-x-2024-08-06``).
    """
    asked, answered = asked.rpartition("/")[2].lower(), answered.rpartition("/")[2].lower()
    return asked == answered or (
        answered.startswith(asked) and _VERSION_SUFFIX.fullmatch(answered, len(asked)) is not None
    )


def error_of_status(reply: RawReply, asked_model: str, key: str | None) -> EndpointError:
    """The error that an HTTP status other than 200 stands for, with the server's words."""
    status, words = reply.status, quote(reply.content, key)
    if 300 <= status < 400:
        place = scrub(reply.headers.get("location", "nowhere"), key)[:_LONGEST_QUOTE]
        return EndpointError(
            f"the server redirects to {place} (status {status})",
            status=status,
            hint="Redirects are not followed: set base_url to where the server is.",
        )
    if status in (401, 403):
        return AuthError(
            f"the server refused the key (status {status})",
            status=status,
            hint="Set the environment variable that the endpoint's api_key_env names to a valid key.",
        )
    if status == 404:
        return WrongModelError(
            f"model {asked_model} is not served here (status 404): {words}",
            status=status,
            hint="Check the model's name against the server's /v1/models, and that base_url ends in /v1.",
        )
    return EndpointError(
        f"status {status}: {words}",
        status=status,
        retryable=status in (408, 409, 429) or status >= 500,
        retry_after_s=read_retry_after_s(reply.headers),
    )


def read_retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the Retry-After header, in either of its forms; `LONGEST_RETRY_AFTER_S` at most.

    Source:
        RFC 9110, section 10.2.3.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else None


def quote(content: bytes, key: str | None) -> str:
    """The server's own words out of an error's body, short and without secrets."""
    body = read_json(content)
    words: Any = body
    for name in ("error", "message", "detail"):
        if isinstance(words, dict) and words.get(name):
            words = words[name]
    text = words if isinstance(words, str) else content.decode("utf-8", "replace")
    text = scrub(_LONE_SURROGATE.sub("?", " ".join(text.split())), key)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _count(value: Any) -> int:
    """A number of tokens; 0 for what can be none, such as a counter of the server's that ran below zero."""
    return value if _is_number(value) and isinstance(value, int) and value >= 0 else 0


def _is_number(value: Any) -> bool:
    """Whether JSON's ``value`` is a number that a float and a database hold."""
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST
