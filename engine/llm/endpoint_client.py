"""One named endpoint: its replicas, the one retry layer, and the structured output that it understands."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import Any, Literal

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from routenator.engine.config import Endpoint
from routenator.engine.errors import EndpointError, SampleError, WrongModelError
from routenator.engine.llm.balancer import Balancer
from routenator.engine.llm.chat import ChatReply, ChatRequest
from routenator.engine.llm.chat_body import build_body
from routenator.engine.llm.connection import DisconnectedError
from routenator.engine.llm.monitor import Monitor
from routenator.engine.llm.replica import Replica, close_all
from routenator.engine.llm.retry_budget import RetryBudget
from routenator.engine.llm.states import EndpointState
from routenator.engine.llm.structured import Mode, Negotiation, looks_like_json, speaks_of_format
from routenator.engine.llm.transports import make_chat_client
from routenator.engine.llm.wire import Answer, send_chat

FIRST_BACKOFF_S = 0.25
LONGEST_BACKOFF_S = 20.0
SHORT_BACKOFF_S = 0.02
RETURN_S = 1.0
"""Over which requests are sent again when this process was stopped for a while."""

logger = logging.getLogger(__name__)


Setback = Literal["failure", "timeout", "overload", "stall", "disconnect", "absence"]
"""Why an attempt brought nothing. ``overload`` (429, 503) and ``stall`` count as attempts but take nothing from the
retry budget: the limit slows the first, and the second are sent to a replica that did nothing wrong. ``disconnect`` (a
keep-alive connection closed under us, once a call) and ``absence`` (this process was stopped) are nobody's failure."""


@dataclass(slots=True)
class _Call:
    """One call's progress through its attempts."""

    mode: Mode | None
    content: bytes
    requests: list[dict[str, Any]] = field(default_factory=list)
    failed_on: list[Replica] = field(default_factory=list)
    attempts: int = 0
    spent_s: float = 0.0
    backoff_s: float = 0.0
    first_error: EndpointError | None = None
    setback: Setback = "failure"
    may_disconnect: bool = True


class EndpointClient:
    """Asks one endpoint, with failover among its replicas. Belongs to one event loop.

    A call's deadline is ``timeout_s`` for each attempt that it may make, spent on requests, back-off, and waiting for
    replicas to come back or for the retry budget; queueing for room is back-pressure and is not counted.
    """

    def __init__(self, name: str, endpoint: Endpoint, base_urls: tuple[str, ...], key: str | None) -> None:
        self.name = name
        self.endpoint = endpoint
        self.negotiation = Negotiation(endpoint.structured_output)
        weights = endpoint.weights or (1.0,) * len(base_urls)
        self.replicas = [
            Replica(url, make_chat_client(url, endpoint, key), endpoint.max_in_flight, weight)
            for url, weight in zip(base_urls, weights, strict=True)
        ]
        self.balancer = Balancer(name, self.replicas)
        self.budget = RetryBudget(endpoint.max_in_flight * len(base_urls))
        self.monitor = Monitor(name, self.replicas, endpoint.timeout_s, self.balancer.wake)
        self.key = key
        self._deadline_s = endpoint.timeout_s * (endpoint.max_retries + 1)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Get one finished completion.

        Raises:
            EndpointError: Or one of its subclasses; the endpoint could not answer.
            TruncatedError: The answer ended for want of room.
            DegenerateError: The answer is empty or white space without end.

        Every error carries ``requests`` and ``partial_text`` for the trace.
        """
        self.monitor.start()
        mode = self.negotiation.mode if request.schema is not None else None
        requests: list[dict[str, Any]] = []
        try:
            while True:
                call = _Call(mode, build_body(self.endpoint, request, mode), requests)
                try:
                    answer, latency_ms = await self._retry(call)
                except EndpointError as exc:
                    weaker = self._weaker(mode) if exc.status == 400 and speaks_of_format(exc.what) else None
                    if weaker is None:
                        raise
                    mode = weaker
                    continue
                choices = sorted(answer.choices, key=lambda choice: choice.fault() is not None)
                best = choices[0]
                if mode is not None and best.finish_reason == "stop":
                    if best.text.strip() and not looks_like_json(best.text) and (weaker := self._weaker(mode)):
                        mode = weaker
                        continue
                    if looks_like_json(best.text):
                        self.negotiation.confirm(mode)
                if (fault := best.fault()) is not None:
                    raise fault
                break
        except SampleError as exc:
            exc.requests = tuple(requests)
            raise
        return ChatReply(
            choices=tuple(choices),
            endpoint=self.name,
            model=answer.model,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            latency_ms=latency_ms,
            requests=tuple(requests),
        )

    def state(self) -> EndpointState:
        """How the endpoint is doing, for the person who watches."""
        now = asyncio.get_running_loop().time()
        return EndpointState(
            name=self.name,
            model=self.endpoint.model,
            waiting=self.balancer.waiting + self.budget.waiting,
            replicas=tuple(replica.state(now) for replica in self.replicas),
        )

    async def aclose(self) -> None:
        """Stop watching and close every connection."""
        await self.monitor.aclose()
        self.budget.close()
        self.balancer.close()
        await close_all(self.replicas)

    def _weaker(self, mode: Mode | None) -> Mode | None:
        weaker = self.negotiation.step_down(mode) if mode is not None else None
        if weaker is not None:
            logger.info("endpoint %s does not take %s; going on with %s", self.name, mode, weaker)
        return weaker

    async def _retry(self, call: _Call) -> tuple[Answer, float]:
        """Attempt, and leave it to tenacity whether and when to attempt again."""
        self.budget.on_call()
        try:
            return await self._attempt(call)
        except EndpointError as exc:
            call.first_error = exc
        # Made only now: most calls need no retry, and tenacity's machinery costs CPU.
        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            retry=retry_if_exception(lambda exc: self._may_retry(exc, call)),
            wait=lambda _: self._backoff_s(call),
            stop=lambda state: self._must_stop(state, call),
            reraise=True,
        )
        return await retrying(self._attempt_again, call)

    async def _attempt_again(self, call: _Call) -> tuple[Answer, float]:
        """What tenacity repeats; its first attempt is the one that has failed already."""
        first_error, call.first_error = call.first_error, None
        if first_error is not None:
            raise first_error
        await self._take_token(call)
        return await self._attempt(call)

    def _may_retry(self, exc: BaseException, call: _Call) -> bool:
        if isinstance(exc, WrongModelError):
            return self.balancer.has_other(call.failed_on)
        return isinstance(exc, EndpointError) and exc.retryable

    def _must_stop(self, state: RetryCallState, call: _Call) -> bool:
        return call.attempts > self.endpoint.max_retries or call.spent_s + state.upcoming_sleep >= self._deadline_s

    def _backoff_s(self, call: _Call) -> float:
        """Full jitter, doubling; nearly nothing if the retry is free or another replica is there to take it.

        Source:
            Exponential backoff and jitter, AWS Architecture Blog, 2015.
        """
        if call.setback == "absence":
            call.backoff_s = random.uniform(0, RETURN_S)
        elif call.setback == "disconnect" or self.balancer.has_other(call.failed_on):
            call.backoff_s = random.uniform(0, SHORT_BACKOFF_S)
        else:
            ceiling_s = min(FIRST_BACKOFF_S * 2 ** (call.attempts - 1), LONGEST_BACKOFF_S)
            call.backoff_s = random.uniform(ceiling_s / 2, ceiling_s)
        return call.backoff_s

    async def _take_token(self, call: _Call) -> None:
        """Wait for the retry budget if the last attempt's failure is one that must not be multiplied."""
        if call.setback not in ("failure", "timeout"):
            return
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        if not await self.budget.take(self._deadline_s - call.spent_s - call.backoff_s):
            call.spent_s = self._deadline_s
            raise EndpointError(
                f"endpoint {self.name} fails too often: no retry was left within the deadline; "
                f"its last error: {call.requests[-1]['error']}",
                retryable=True,
            )
        call.backoff_s += loop.time() - asked_at

    async def _attempt(self, call: _Call) -> tuple[Answer, float]:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        call.spent_s += call.backoff_s
        replica, down_s = await self.balancer.take(call.failed_on, self._deadline_s - call.spent_s)
        call.spent_s += down_s
        sent_at = loop.time()
        entry: dict[str, Any] = {
            "replica": replica.name,
            "status": None,
            "error": None,
            "latency_ms": 0.0,
            "wait_s": round(sent_at - asked_at + call.backoff_s, 4),
            "mode": call.mode,
        }
        call.requests.append(entry)
        error: EndpointError | None = None
        finished = False
        deadline = asyncio.timeout(self.endpoint.timeout_s)
        replica.deadlines[deadline] = None
        try:
            async with deadline:
                answer = await send_chat(replica.client, call.content, self.endpoint.model, self.key)
            finished = True
        except TimeoutError:
            stall = replica.deadlines[deadline]
            call.setback = "timeout" if stall is None else "stall"
            error = EndpointError(stall or f"no complete answer within {self.endpoint.timeout_s:g} s", retryable=True)
        except EndpointError as exc:
            call.setback = self._setback(call, exc)
            error = exc
        finally:
            now = loop.time()
            entry["latency_ms"] = round((now - sent_at) * 1000, 3)
            del replica.deadlines[deadline]
            if finished:
                entry["status"] = 200
                replica.on_answer(sent_at, now)
            elif error is None:
                entry["error"] = "cancelled"
                replica.on_abandoned(sent_at)
            else:
                entry["status"], entry["error"] = error.status, f"{error.error_class}: {error.what}"
                if error.status is None and error.retryable and self.monitor.was_absent(sent_at, now):
                    call.setback = "absence"
                self._report(replica, error, call.setback, sent_at, now)
            self.balancer.wake()
        if error is None:
            return answer, entry["latency_ms"]
        if call.setback == "disconnect":
            call.may_disconnect = False
        elif call.setback != "absence":
            call.attempts += 1
            call.failed_on.append(replica)
        if call.setback != "absence":
            call.spent_s += now - sent_at
        raise error

    def _setback(self, call: _Call, error: EndpointError) -> Setback:
        if error.status in (429, 503):
            return "overload"
        return "disconnect" if isinstance(error, DisconnectedError) and call.may_disconnect else "failure"

    def _report(self, replica: Replica, error: EndpointError, setback: Setback, sent_at: float, now: float) -> None:
        """Let the replica learn from an error; say aloud when that pauses it."""
        if setback in ("disconnect", "absence"):
            replica.on_abandoned(sent_at)
            return
        was_open = replica.breaker.is_open
        if setback == "timeout":  # as a lost packet to TCP: maybe it is only asked too much
            replica.aimd.cut(sent_at, now, "latency")
        replica.on_error(error, sent_at, now)
        if replica.breaker.is_open and not was_open:
            logger.warning("endpoint %s: %s paused: %s", self.name, replica.name, error.what)
