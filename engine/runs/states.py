"""How a run is doing, as its workers report it. Plain data: it crosses process borders as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from routenator.engine.llm.states import EndpointState


@dataclass(frozen=True, slots=True)
class LongSample:
    """A sample that has been in flight for long.

    Attributes:
        trace_id: ``slot.round``.
        node: The node it is in; ``None`` between two nodes.
        attempt: Attempts that it has begun.
        age_s: Seconds since it began.
    """

    trace_id: str
    route: str | None
    node: str | None
    attempt: int
    age_s: float


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker's own counts since it began, and what it has in hand.

    Attributes:
        number: 0 to workers - 1.
        accepted: Route → samples accepted by this worker; duplicates found later are not taken back here.
        rejected: Route → samples rejected by this worker, every round counted.
        failed: Route → samples that failed in this worker.
        in_flight: Samples under way.
        max_in_flight: Its share of the run's limit.
        oldest: The samples that have been in flight for longest, oldest first; at most 10.
        stuck: Why nothing can be taken in now, such as a full disk; ``None``: nothing is in the way.
    """

    number: int
    pid: int
    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    max_in_flight: int = 0
    oldest: tuple[LongSample, ...] = ()
    endpoints: tuple[EndpointState, ...] = ()
    stuck: str | None = None
