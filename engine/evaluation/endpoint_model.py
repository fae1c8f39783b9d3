"""A model behind an endpoint, asked through the one layer that retries, balances and keeps deadlines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from routenator.engine.config import Role
from routenator.engine.errors import AuthError, DegenerateError, EndpointError, TruncatedError, WrongModelError
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.predictions import MAX_NEW_TOKENS, Prediction
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.pool import LlmPool
from routenator.engine.training.prompts import write_question
from routenator.engine.training.settings import ToolsInPrompt

_LOOK_EVERY_S = 0.5
_MOST_REFUSALS = 3
"""Rows that are refused before any is answered, after which it is not the rows' fault."""

ToolsInRequest = ToolsInPrompt | Literal["api"]
"""``api``: the functions go into the request's ``tools``, and the server writes and reads them. Otherwise they stand in
the user's turn, worded as in training; the server's chat template does the rest."""


class EndpointModel:
    """See `routenator.engine.evaluation.predictions.Predictor`.

    Args:
        pool: Of the endpoints file.
        role: Which endpoint is asked.
        tools: OpenAI's ``tools`` list.
        tools_in_request: How the functions are told.
    """

    def __init__(
        self, pool: LlmPool, role: Role, tools: Sequence[Mapping[str, Any]], tools_in_request: ToolsInRequest
    ) -> None:
        found = pool.endpoints.endpoint_of(role)
        assert found is not None
        self.name, self._endpoint = found
        self.identity = {
            "endpoint": self.name,
            "model": self._endpoint.model,
            "extra_body": self._endpoint.extra_body,
            "tools_in_prompt": tools_in_request,
        }
        self._pool = pool
        self._role = role
        self._tools = tuple(dict(tool) for tool in tools)
        self._style = tools_in_request
        self._works = False

    async def predict(self, rows: Sequence[GoldenRow]) -> AsyncIterator[Prediction]:
        """Answer every row: one alone until one succeeds, then as many at once as the endpoint takes.

        Raises:
            EndpointError: The endpoint cannot be asked at all: wrong key, wrong model, every replica is down, or the
                first requests are all refused.
        """
        at_once = self._endpoint.max_in_flight * max(1, len(self._endpoint.base_url))
        waiting = iter(rows)
        running: set[asyncio.Task[Prediction]] = set()
        refused = 0
        last = time.monotonic()
        try:
            while True:
                while len(running) < (at_once if self._works else 1) and (row := next(waiting, None)) is not None:
                    running.add(asyncio.create_task(self._answer(row)))
                if not running:
                    return
                done, running = await asyncio.wait(running, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: task.exception() is not None):  # answers first, none is lost
                    answer = task.result()
                    refused += answer.error is not None
                    if not self._works and refused == _MOST_REFUSALS:
                        raise self._refusal(answer)
                    now = time.monotonic()
                    yield replace(answer, seconds=now - last)
                    last = now
                # Later on a server may come back, and the retry layer waits for it; at the start it is a mistake.
                if not self._works and (trouble := self._pool.trouble(self._role)) is not None:
                    raise trouble
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _answer(self, row: GoldenRow) -> Prediction:
        by_api = self._style == "api"
        question = row.query if self._style == "api" else write_question(row.query, self._tools, self._style)
        request = ChatRequest(
            messages=({"role": "user", "content": question},),
            max_tokens=MAX_NEW_TOKENS,
            temperature=0.0,
            tools=self._tools if by_api else (),
        )
        try:
            reply = await self._pool.complete(self._role, request)
        except (TruncatedError, DegenerateError) as exc:  # the model's own answer, and a poor one
            answer = Prediction(row.id, exc.partial_text)
        except (AuthError, WrongModelError):
            raise
        except EndpointError as exc:
            if exc.retryable and (not self._works or self._pool.trouble(self._role) is not None):
                raise
            return Prediction(row.id, error=exc.what)
        else:
            answer = Prediction(row.id, reply.text, list(reply.tool_calls) or None, reply.completion_tokens)
        self._works = True
        return answer

    def _refusal(self, answer: Prediction) -> EndpointError:
        hint = "See the server's log."
        if self._style == "api":
            hint = (
                "The server must take tools (vLLM: --enable-auto-tool-choice --tool-call-parser NAME), "
                "or give --tools-in-prompt schemas, signatures or none."
            )
        return EndpointError(f"endpoint {self.name} refused the first {_MOST_REFUSALS} rows: {answer.error}", hint=hint)
