"""When one replica is left alone, and when it is tried again."""

from __future__ import annotations

FAILURES_TO_OPEN = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class CircuitBreaker:
    """Opens after consecutive failures; half-open, it lets one canary through; each failed canary doubles the pause.

    All times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opened_at: float | None = None
        self._reopens_at = 0.0
        self._canary_sent_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the replica is being left alone, or on trial."""
        return self._opened_at is not None

    def ready_at(self, now: float) -> float:
        """When the next request may be sent; ``inf`` while the canary is out."""
        if self._opened_at is None:
            return now
        return float("inf") if self._canary_sent_at is not None else self._reopens_at

    def on_send(self, now: float) -> None:
        """A request leaves; while the breaker is open it is the canary."""
        if self._opened_at is not None:
            self._canary_sent_at = now

    def on_success(self) -> None:
        """The replica answered; a late answer proves life as well."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._opened_at = self._canary_sent_at = None

    def on_failure(self, sent_at: float, now: float) -> None:
        """The replica failed on a request that was sent at ``sent_at``."""
        self._failures += 1
        if self._opened_at is None and self._failures >= FAILURES_TO_OPEN:
            self.trip(now, FIRST_PAUSE_S)
        elif self._canary_sent_at is not None and sent_at >= self._canary_sent_at:
            self.trip(now, min(self._pause_s * 2, LONGEST_PAUSE_S))

    def on_abandoned(self, sent_at: float) -> None:
        """The request was cancelled by us: if it was the canary, another may go."""
        if self._canary_sent_at is not None and sent_at >= self._canary_sent_at:
            self._canary_sent_at = None

    def trip(self, now: float, pause_s: float) -> None:
        """Open for ``pause_s`` seconds."""
        self._opened_at = now
        self._pause_s = pause_s
        self._reopens_at = now + pause_s
        self._canary_sent_at = None
