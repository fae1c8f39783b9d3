"""One replica of an endpoint: its client, its limits, and how it is doing."""

from __future__ import annotations

import asyncio
import random

from openai import AsyncOpenAI

from routenator.engine.errors import EndpointError, WrongModelError
from routenator.engine.llm.breaker import CircuitBreaker
from routenator.engine.llm.keys import shown_url
from routenator.engine.llm.limit import AimdLimit

WRONG_MODEL_PAUSE_S = 30.0


class Replica:
    """One base URL of an endpoint. Times are the event loop's monotonic seconds.

    Attributes:
        name: The URL as a trace may show it.
        in_flight: Requests that are out now.
        trouble: What the replica last failed with, while it is not answering.
    """

    def __init__(self, base_url: str, client: AsyncOpenAI, max_in_flight: int) -> None:
        self.name = shown_url(base_url)
        self.client = client
        self.limit = AimdLimit(max_in_flight)
        self.breaker = CircuitBreaker()
        self.in_flight = 0
        self.trouble: EndpointError | None = None
        self._not_before = 0.0

    def ready_at(self, now: float) -> float:
        """When the replica may be sent something: ``now`` or earlier if at once, ``inf`` while its canary is out."""
        return max(self._not_before, self.breaker.ready_at(now))

    @property
    def has_room(self) -> bool:
        """Whether one more request fits under the concurrency limit."""
        return self.in_flight < self.limit.limit

    @property
    def load(self) -> float:
        """Share of the concurrency limit that is taken."""
        return self.in_flight / self.limit.limit

    def take(self, now: float) -> None:
        """One request goes out."""
        self.in_flight += 1
        self.breaker.on_send(now)

    def on_answer(self) -> None:
        """A request succeeded."""
        self.in_flight -= 1
        self.limit.grow()
        self.breaker.on_success()
        self.trouble = None

    def on_abandoned(self, sent_at: float) -> None:
        """A request was cancelled by us, which says nothing about the replica."""
        self.in_flight -= 1
        self.breaker.on_abandoned(sent_at)

    def on_error(self, error: EndpointError, sent_at: float, now: float) -> None:
        """A request failed."""
        self.in_flight -= 1
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

    def _on_overload(self, error: EndpointError, sent_at: float, now: float) -> None:
        self.trouble = error
        if self.limit.limit > 1 or error.retry_after_s is not None:
            self.breaker.on_abandoned(sent_at)
        else:  # overloaded by a single request: as good as down
            self.breaker.on_failure(sent_at, now)
        self.limit.cut(sent_at, now)
        if error.retry_after_s is not None:
            # Jitter upwards only: never earlier than the server asked.
            self._not_before = max(self._not_before, now + error.retry_after_s * random.uniform(1.0, 1.1))


async def close_all(replicas: list[Replica]) -> None:
    """Close every replica's connections."""
    await asyncio.gather(*(replica.client.close() for replica in replicas))
