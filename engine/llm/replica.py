"""One replica of an endpoint: its client, its limits, and how it is doing."""

from __future__ import annotations

import asyncio
import random

from routenator.engine.errors import EndpointError, WrongModelError
from routenator.engine.llm.breaker import FIRST_PAUSE_S, CircuitBreaker
from routenator.engine.llm.chat_client import ChatClient
from routenator.engine.llm.keys import shown_url
from routenator.engine.llm.latency_limit import LatencyLimit
from routenator.engine.llm.limit import AimdLimit
from routenator.engine.llm.states import Limiter, ReplicaState

WRONG_MODEL_PAUSE_S = 30.0
_SMOOTHING = 1 / 8
"""Weight of the newest latency, as in TCP's round-trip estimate (RFC 6298)."""


class Replica:
    """One base URL of an endpoint. Times are the event loop's monotonic seconds.

    Attributes:
        name: The URL as a trace may show it.
        weight: Its share of the requests, against the other replicas'.
        aimd: The limit by 429, 503 and the server's metrics.
        latency: The limit by latency; it counts while the server says nothing of its queue.
        queued: Requests that wait on the server, by its metrics; ``None``: it does not say.
        deadlines: Those of the requests that are out → why one was ended before its time, or ``None``.
        latency_s: Of recent answers, smoothed; ``None`` before the first.
        answered_at: When the last request was answered; 0 before.
        quiet_since: When the last request was answered or failed, or when the first went out after idleness.
        trouble: What the replica last failed with, while it is not answering.
    """

    def __init__(self, base_url: str, client: ChatClient, max_in_flight: int, weight: float = 1.0) -> None:
        self.name = shown_url(base_url)
        self.client = client
        self.weight = weight
        self.aimd = AimdLimit(max_in_flight)
        self.latency = LatencyLimit(max_in_flight)
        self.queued: int | None = None
        self.breaker = CircuitBreaker()
        self.deadlines: dict[asyncio.Timeout, str | None] = {}
        self.in_flight = 0
        self.latency_s: float | None = None
        self.answered_at = self.quiet_since = 0.0
        self.trouble: EndpointError | None = None
        self._answered = 0
        self._errors = 0
        self._not_before = 0.0

    def ready_at(self, now: float) -> float:
        """When the replica may be sent something: ``now`` or earlier if at once, ``inf`` while its canary is out."""
        return max(self._not_before, self.breaker.ready_at(now))

    @property
    def limit(self) -> int:
        """Requests that may be out now."""
        return self.aimd.limit if self.queued is not None else min(self.aimd.limit, self.latency.cap)

    @property
    def limited_by(self) -> Limiter | None:
        """What keeps the limit below its ceiling."""
        if self.limit == self.aimd.ceiling:
            return None
        return "latency" if self.limit < self.aimd.limit else self.aimd.cut_by

    @property
    def has_room(self) -> bool:
        """Whether one more request fits under the concurrency limit."""
        return self.in_flight < self.limit

    @property
    def load(self) -> float:
        """Requests out, against limit and weight, with a grain of chance.

        The least of exponential draws falls on each replica in proportion to its rate (an exponential race): idle
        replicas are drawn by limit and weight, and the chance fades as requests are out.
        """
        return (self.in_flight + random.expovariate(1.0)) / (self.limit * self.weight)

    def take(self, now: float) -> None:
        """One request goes out."""
        if self.in_flight == 0:
            self.quiet_since = now
        self.in_flight += 1
        self.breaker.on_send(now)

    def on_answer(self, sent_at: float, now: float) -> None:
        """A request succeeded."""
        latency_s = now - sent_at
        before_s = latency_s if self.latency_s is None else self.latency_s
        self.latency_s = before_s + _SMOOTHING * (latency_s - before_s)
        if self.queued is None:
            self.latency.on_answer(sent_at, now, self.in_flight)
        self.in_flight -= 1
        self.answered_at = self.quiet_since = now
        self._answered += 1
        self.aimd.grow()
        self.breaker.on_success()
        self.trouble = None

    def on_abandoned(self, sent_at: float) -> None:
        """A request ended in a way that says nothing about the replica, such as by our cancelling it."""
        self.in_flight -= 1
        self.breaker.on_abandoned(sent_at)

    def on_error(self, error: EndpointError, sent_at: float, now: float) -> None:
        """A request failed."""
        self.in_flight -= 1
        self.quiet_since = now
        self._errors += 1
        if error.status in (429, 503):
            self._on_overload(error, sent_at, now)
        elif isinstance(error, WrongModelError):
            self.trouble = error
            self.breaker.trip(now, WRONG_MODEL_PAUSE_S)
        elif error.retryable:
            self.trouble = error
            self.breaker.on_failure(sent_at, now)
        else:  # it refused this one request in good order
            self.breaker.on_success()

    def abort_all(self, error: EndpointError, now: float) -> None:
        """Nothing comes back: pause, and end every request that is out; each fails over by itself."""
        self.trouble = error
        if not self.breaker.is_open:  # or its canary is out, whose own end makes the pause longer
            self.breaker.trip(now, FIRST_PAUSE_S)
        for deadline in self.deadlines:
            if not deadline.expired():
                self.deadlines[deadline] = error.what
                deadline.reschedule(now)

    def state(self, now: float) -> ReplicaState:
        """How it is doing, for the person who watches."""
        ready_at = self.ready_at(now)
        return ReplicaState(
            name=self.name,
            condition="up" if ready_at <= now else "trial" if ready_at == float("inf") else "paused",
            in_flight=self.in_flight,
            limit=self.limit,
            ceiling=self.aimd.ceiling,
            answered=self._answered,
            errors=self._errors,
            latency_ms=None if self.latency_s is None else round(self.latency_s * 1000, 1),
            queued=self.queued,
            limited_by=self.limited_by,
            trouble=None if self.trouble is None else self.trouble.what,
        )

    def _on_overload(self, error: EndpointError, sent_at: float, now: float) -> None:
        self.trouble = error
        if self.limit > 1 or error.retry_after_s is not None:
            self.breaker.on_abandoned(sent_at)
        else:  # overloaded by a single request: as good as down
            self.breaker.on_failure(sent_at, now)
        self.aimd.cut(sent_at, now)
        if error.retry_after_s is not None:
            # Jitter upwards only: never earlier than the server asked.
            self._not_before = max(self._not_before, now + error.retry_after_s * random.uniform(1.0, 1.1))


async def close_all(replicas: list[Replica]) -> None:
    """Close every replica's connections."""
    await asyncio.gather(*(replica.client.aclose() for replica in replicas))
