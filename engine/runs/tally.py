"""What a run has done so far, for the person who watches it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from routenator.engine.sample import SampleRecord

RATE_WINDOW_S = 30.0


@dataclass
class Tally:
    """Counts of one process's run; slots that an earlier process had delivered are in ``delivered`` from the start.

    Attributes:
        planned: Rows to deliver.
        targets: Route → planned rows.
        delivered: Route → accepted rows.
        rejected: Route → samples rejected by this process, every round counted.
        failed: Route → samples that failed in this process.
        in_flight: Samples under way.
        phase: What goes on, in a word or two.
    """

    planned: int
    targets: Mapping[str, int]
    delivered: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    phase: str = "generate"
    _finished: deque[tuple[float, bool]] = field(default_factory=deque)
    _began_s: float = field(default_factory=time.monotonic)

    def add(self, record: SampleRecord) -> None:
        """Count a finished sample."""
        counter = {"accepted": self.delivered, "rejected": self.rejected, "failed": self.failed}[record.verdict]
        counter[record.stratum.route] += 1
        self._finished.append((time.monotonic(), record.verdict == "accepted"))

    def take_back(self, routes: Mapping[str, int]) -> None:
        """Count accepted samples as rejected: they turned out to be duplicates."""
        self.delivered.subtract(routes)
        self.rejected.update(routes)

    @property
    def accepted(self) -> int:
        """Rows delivered."""
        return self.delivered.total()

    def rate_s(self) -> float:
        """Accepted rows a second over the last `RATE_WINDOW_S` seconds."""
        now = time.monotonic()
        while self._finished and now - self._finished[0][0] > RATE_WINDOW_S:
            self._finished.popleft()
        span_s = min(RATE_WINDOW_S, now - self._began_s)
        return sum(accepted for _, accepted in self._finished) / span_s if span_s > 0 else 0.0

    def eta_s(self) -> float | None:
        """Seconds until all rows are delivered at the present rate; ``None``: nothing moves."""
        rate = self.rate_s()
        return (self.planned - self.accepted) / rate if rate > 0 else None

    def to_event(self) -> dict[str, object]:
        """A JSON-able snapshot."""
        eta_s = self.eta_s()
        return {
            "event": "progress",
            "phase": self.phase,
            "planned": self.planned,
            "accepted": self.accepted,
            "rejected": self.rejected.total(),
            "failed": self.failed.total(),
            "in_flight": self.in_flight,
            "rows_per_s": round(self.rate_s(), 3),
            "eta_s": None if eta_s is None else round(eta_s, 1),
            "routes": {
                route: {"target": target, "delivered": self.delivered[route]} for route, target in self.targets.items()
            },
        }
