"""How endpoints are doing, for the person who watches a run. Plain data: it crosses process borders as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Condition = Literal["up", "paused", "trial"]
"""``paused``: an open breaker or a Retry-After; ``trial``: its canary is out."""
SERIOUSNESS: dict[Condition, int] = {"up": 0, "trial": 1, "paused": 2}
"""Of several views of a replica, or several replicas, the one with the highest is shown first."""

Limiter = Literal["overload", "latency", "queue"]
"""``overload``: 429 or 503; ``latency``: requests missed their deadline, or fewer bring as many answers; ``queue``:
requests wait on the server."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica, as one worker sees it.

    Attributes:
        in_flight: Requests that are out now.
        limit: Requests that may be out now.
        ceiling: Most requests that may ever be out: the worker's share of ``max_in_flight``.
        answered: Requests that were answered, since the worker began.
        errors: Requests that failed, since the worker began.
        latency_ms: Of recent answers, smoothed; ``None`` before the first.
        queued: Requests that wait on the server (``vllm:num_requests_waiting``); ``None``: it does not say.
        limited_by: Why ``limit`` is below ``ceiling``; ``None`` if it is not.
        trouble: What it last failed with, while it is not answering.
    """

    name: str
    condition: Condition
    in_flight: int
    limit: int
    ceiling: int
    answered: int = 0
    errors: int = 0
    latency_ms: float | None = None
    queued: int | None = None
    limited_by: Limiter | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One endpoint, as one worker sees it.

    Attributes:
        waiting: Calls that wait for room on a replica, or for the retry budget.
    """

    name: str
    model: str
    waiting: int
    replicas: tuple[ReplicaState, ...]
