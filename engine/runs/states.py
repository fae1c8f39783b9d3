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
    """What stands in one worker's ledgers, and what it has in hand.

    Attributes:
        number: 0 to workers - 1.
        accepted: Route → accepted samples that are no duplicates, those of earlier processes included.
        rejected: Route → rejected samples, every round and duplicates counted.
        failed: Route → samples that failed.
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


@dataclass(frozen=True, slots=True)
class RunState:
    """A whole run, as its coordinator sees it.

    Attributes:
        phase: What goes on, in a word or two.
        planned: Rows to deliver.
        targets: Route → planned rows.
        delivered: Route → accepted rows that are not duplicates, those of earlier processes included.
        rejected: Route → samples rejected, every round, duplicates and those of earlier processes included.
        failed: Route → samples that failed, those of earlier processes included.
        rate_s: Accepted rows a second, lately.
        eta_s: Seconds until all rows are delivered at the present rates; ``None``: nothing moves.
        max_in_flight: Samples that may be under way, over all workers.
        paused: Whether no new sample is begun because somebody asked for that.
    """

    phase: str
    planned: int
    targets: dict[str, int]
    delivered: dict[str, int]
    rejected: dict[str, int]
    failed: dict[str, int]
    rate_s: float
    eta_s: float | None
    max_in_flight: int
    paused: bool = False
    workers: tuple[WorkerState, ...] = ()

    @property
    def accepted(self) -> int:
        """Rows delivered."""
        return sum(self.delivered.values())

    @property
    def in_flight(self) -> int:
        """Samples under way in all workers."""
        return sum(worker.in_flight for worker in self.workers)
