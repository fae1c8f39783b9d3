"""One HTTP request for one chat completion, and what every way of failing is called."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import orjson
from openai import APIConnectionError, APIStatusError, AsyncOpenAI

from routenator.engine.errors import AuthError, EndpointError, WrongModelError
from routenator.engine.llm.keys import scrub

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_VERSION_SUFFIX = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})|:latest")
_LONGEST_QUOTE = 300


class DisconnectedError(EndpointError):
    """The connection was gone before any answer came, as when a server closes an idle one while we send."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one successful HTTP request brought; see `routenator.engine.llm.chat.ChatReply`."""

    text: str
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    min_logprob: float | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()


async def send_chat(client: AsyncOpenAI, body: dict[str, Any], key: str | None) -> Answer:
    """Send one chat request and read its answer.

    The SDK's typed parsing is passed by: it doubles the CPU time of a call, and we need five fields.

    Raises:
        AuthError: 401 or 403.
        WrongModelError: 404, or another model answered.
        DisconnectedError: No answer came, the connection was closed.
        EndpointError: Anything else; `retryable` says whether the same request may succeed later.
    """
    try:
        content = orjson.dumps(body)
    except TypeError as exc:
        raise EndpointError(f"the request cannot be written as JSON: {exc}") from None
    response = await _send(
        client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=content,
            options={"headers": {"Content-Type": "application/json"}},
        ),
        body["model"],
        key,
    )
    return read_answer(response.content, body["model"], key)


async def ask_models(client: AsyncOpenAI, key: str | None) -> tuple[str, ...]:
    """The names of the models that the server lists; empty if it keeps no such list.

    Raises:
        EndpointError: As `send_chat`.
    """
    try:
        response = await _send(client.get("/models", cast_to=httpx2.Response), "", key)
    except EndpointError as exc:
        if exc.status in (404, 405):
            return ()
        raise
    body = read_json(response.content)
    listed = body.get("data") if isinstance(body, dict) else None
    models = listed if isinstance(listed, list) else []
    return tuple(str(model["id"]) for model in models if isinstance(model, dict) and "id" in model)


async def _send(sending: Awaitable[httpx2.Response], asked_model: str, key: str | None) -> httpx2.Response:
    """Await an SDK call and name its failure."""
    try:
        return await sending
    except APIStatusError as exc:
        raise error_of_status(exc.status_code, exc.response.content, exc.response.headers, asked_model, key) from None
    except APIConnectionError as exc:
        raise error_of_connection(exc, key) from None
    except (aiohttp.ClientError, ValueError) as exc:  # what the transport does not map, such as a URL it cannot take
        raise EndpointError(scrub(f"the request could not be sent: {type(exc).__name__}: {exc}", key)) from None


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
        choice = body["choices"][0]
        text = choice["message"].get("content") or ""
        finish_reason = choice.get("finish_reason") or "none"
    except (KeyError, IndexError, TypeError, AttributeError):
        raise EndpointError(
            f"status 200 without a completion: {quote(content, key)}", status=200, retryable=True
        ) from None
    if not isinstance(text, str):
        raise EndpointError(f"the completion's content is no text: {quote(content, key)}", status=200)
    model = body.get("model") or asked_model
    if not is_same_model(asked_model, str(model)):
        raise WrongModelError(
            f"asked for model {asked_model}, model {scrub(str(model), key)} answered",
            status=200,
            hint="Serve the model of the endpoints file, or put the name that the server answers with into it.",
        )
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Answer(
        text=_clean(text, key),
        finish_reason=str(finish_reason),
        model=scrub(str(model), key),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        min_logprob=_least_logprob(choice.get("logprobs")),
        tool_calls=_tool_calls(choice["message"].get("tool_calls"), key),
    )


def _clean(text: str, key: str | None) -> str:
    """The text without the key, and with half surrogate pairs as escapes."""
    return _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text if key is None else text.replace(key, "***"))


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
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    values = [token.get("logprob") for token in tokens or () if isinstance(token, dict)]
    return min((value for value in values if isinstance(value, int | float) and math.isfinite(value)), default=None)


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


def error_of_status(
    status: int, content: bytes, headers: httpx2.Headers, asked_model: str, key: str | None
) -> EndpointError:
    """The error that an HTTP status other than 200 stands for, with the server's words."""
    words = quote(content, key)
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
        retry_after_s=read_retry_after_s(headers),
    )


def error_of_connection(exc: APIConnectionError, key: str | None) -> EndpointError:
    """The error that a broken connection stands for.

    The transport maps a closed connection to a connect time-out, so the SDK's class says nothing; aiohttp's does.
    """
    cause: BaseException | None = exc
    while cause is not None and not isinstance(cause, aiohttp.ClientError | OSError):
        cause = cause.__cause__
    said = scrub(f"{type(cause or exc).__name__}: {cause or exc}", key)
    if isinstance(cause, aiohttp.ClientConnectorError):
        number = cause.errno  # asyncio hides the reason behind "Connect call failed"
        reason = os.strerror(number) if number and number > 0 else said
        return EndpointError(f"no connection: {reason}", retryable=True)
    if isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return DisconnectedError(f"the connection was closed before an answer: {said}", retryable=True)
    return EndpointError(f"the connection broke: {said}", retryable=True)


def read_retry_after_s(headers: httpx2.Headers) -> float | None:
    """Seconds to wait by the Retry-After header, in either of its forms.

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
    return max(0.0, seconds) if math.isfinite(seconds) else None


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
    return value if isinstance(value, int) and value >= 0 else 0
