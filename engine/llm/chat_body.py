"""The body of a chat request, as the OpenAI protocol has it."""

from __future__ import annotations

from typing import Any

import orjson

from routenator.engine.config import Endpoint
from routenator.engine.errors import EndpointError
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.structured import Mode, response_format, with_schema_in_words


def build_body(endpoint: Endpoint, request: ChatRequest, mode: Mode | None) -> bytes:
    """The body as JSON, written once for all attempts of a call.

    Args:
        endpoint: Whose ``model`` is asked, and whose ``extra_body`` is added.
        request: What to ask for.
        mode: How JSON is asked for; ``None``: not at all.

    Raises:
        EndpointError: A value has no JSON form, such as half a surrogate pair.
    """
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": request.messages,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        **endpoint.extra_body,
    }
    if request.n > 1:
        body["n"] = request.n
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs:
        body["logprobs"] = True
    if request.stop:
        body["stop"] = request.stop
    if request.tools:
        body["tools"] = request.tools
        body["tool_choice"] = "auto"
    if request.schema is not None and mode is not None:
        form = response_format(mode, request.schema, request.schema_name)
        if form is not None:
            body["response_format"] = form
        if mode != "json_schema":
            body["messages"] = with_schema_in_words(request.messages, request.schema)
    try:
        return orjson.dumps(body)
    except TypeError as exc:
        raise EndpointError(f"the request cannot be written as JSON: {exc}") from None
