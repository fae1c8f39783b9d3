"""What is asked of an endpoint, and what it answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from routenator.engine.errors import DegenerateError, SampleError, TruncatedError
from routenator.engine.sample import Completion

_ENDLESS_SPACE = re.compile(r"\s{100}")


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
        n: Replies to ask for; a server that knows no ``n`` sends one.
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
    n: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the replies to a request.

    Attributes:
        text: As it came; half surrogate pairs are written as escapes, so that it can be stored as UTF-8.
        min_logprob: Log probability (natural) of the least likely token under the model itself, before temperature and
            grammar; ``None`` if it was not asked for or the server does not say.
        tool_calls: Calls that the server found in it, in OpenAI's form; ``arguments`` is what the model wrote.
    """

    text: str
    finish_reason: str
    min_logprob: float | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()

    def fault(self) -> SampleError | None:
        """Why it is of no use: cut off for want of room, empty, or white space without end."""
        text = self.text
        if not self.tool_calls and (not text.strip() or _ENDLESS_SPACE.search(text)):
            kind = "white space without end" if text.strip() or len(text) >= 100 else "empty"
            fault: SampleError = DegenerateError(f"the reply is {kind} (finish reason {self.finish_reason})")
        elif self.finish_reason in ("length", "none"):
            fault = TruncatedError("the reply ended for want of room")
        else:
            return None
        fault.partial_text = text or "".join(call["function"]["arguments"] for call in self.tool_calls)
        return fault


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One chat completion.

    Attributes:
        choices: Every reply, at least one; those without a `Choice.fault` come first.
        endpoint: The endpoint's name in the endpoints file.
        model: The model that says it answered.
        latency_ms: From the request that succeeded being sent to its last byte.
        requests: Every HTTP request of the call in order, as ``{"replica", "status", "error", "latency_ms", "wait_s",
            "mode"}``; ``wait_s`` is the time spent queueing or backing off before it was sent.
    """

    choices: tuple[Choice, ...]
    endpoint: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    requests: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """Of the first choice."""
        return self.choices[0].text

    @property
    def finish_reason(self) -> str:
        """Of the first choice."""
        return self.choices[0].finish_reason

    @property
    def min_logprob(self) -> float | None:
        """Of the first choice."""
        return self.choices[0].min_logprob

    @property
    def tool_calls(self) -> tuple[dict[str, Any], ...]:
        """Of the first choice."""
        return self.choices[0].tool_calls


def to_completion(messages: tuple[dict[str, Any], ...], reply: ChatReply, chosen: Choice | None = None) -> Completion:
    """The call for the trace: ``messages`` as they are to be shown, and what was answered.

    Args:
        messages: Without images; see `Completion`.
        reply: What came.
        chosen: The choice that was taken. ``None``: the first.
    """
    chosen = chosen or reply.choices[0]
    return Completion(
        messages=messages,
        text=chosen.text,
        endpoint=reply.endpoint,
        model=reply.model,
        finish_reason=chosen.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        latency_ms=reply.latency_ms,
        requests=reply.requests,
        min_logprob=chosen.min_logprob,
        choices=tuple(choice.text for choice in reply.choices) if len(reply.choices) > 1 else (),
    )
