"""What is asked of an endpoint, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from routenator.engine.sample import Completion


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion to ask for, whoever answers it.

    Attributes:
        messages: Chat messages in OpenAI's form; an image part holds a ``data:`` URI.
        schema: JSON schema of the answer; ``None`` asks for plain text.
        schema_name: Name of the schema, as the protocol wants one.
        max_tokens: Room for the answer, in tokens.
        seed: Sampling seed; ``None`` leaves it to the server.
        stop: Strings at which the answer ends.
        logprobs: Ask for the tokens' log probabilities, of which the least comes back in `ChatReply.min_logprob`.
        tools: Functions that the model may call, as OpenAI's ``tools``, with ``tool_choice: auto``.
    """

    messages: tuple[dict[str, Any], ...]
    schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    tools: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One finished chat completion.

    Attributes:
        text: The answer as it came; half surrogate pairs are written as escapes, so that it can be stored as UTF-8.
        endpoint: The endpoint's name in the endpoints file.
        model: The model that says it answered.
        latency_ms: From the request that succeeded being sent to its last byte.
        requests: Every HTTP request of the call in order, as ``{"replica", "status", "error", "latency_ms", "wait_s",
            "mode"}``; ``wait_s`` is the time spent queueing or backing off before it was sent.
        min_logprob: Log probability (natural) of the answer's least likely token under the model itself, before
            temperature and grammar; ``None`` if it was not asked for or the server does not say.
        tool_calls: Calls that the server found in the answer, in OpenAI's form; ``arguments`` is what the model wrote.
    """

    text: str
    finish_reason: str
    endpoint: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    requests: tuple[dict[str, Any], ...] = ()
    min_logprob: float | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()


def to_completion(messages: tuple[dict[str, Any], ...], reply: ChatReply) -> Completion:
    """The call for the trace: ``messages`` as they are to be shown, and what was answered."""
    return Completion(
        messages=messages,
        text=reply.text,
        endpoint=reply.endpoint,
        model=reply.model,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        latency_ms=reply.latency_ms,
        requests=reply.requests,
        min_logprob=reply.min_logprob,
    )
