"""How many requests one replica gets at once, by what it says: 429, 503, or a queue in its metrics."""

from __future__ import annotations

from routenator.engine.llm.states import Limiter


class AimdLimit:
    """Concurrency limit: additive increase, multiplicative decrease.

    Starts at its ceiling, is cut when the replica says that it has too much, and grows by about one for each full
    window of successes.

    Attributes:
        cut_by: What the last cut came from; ``None`` as long as there was none.

    Source:
        D.-M. Chiu and R. Jain, Analysis of the increase and decrease algorithms for congestion avoidance, 1989.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.cut_by: Limiter | None = None
        self._limit = float(ceiling)
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    def grow(self) -> None:
        """A request succeeded."""
        self._limit = min(float(self.ceiling), self._limit + 1 / self._limit)

    def cut(self, sent_at: float, now: float, by: Limiter = "overload") -> None:
        """A request that was sent at ``sent_at`` met an overloaded replica (times in monotonic seconds).

        What was sent before the last cut belongs to the same burst and says nothing new.
        """
        if sent_at >= self._cut_at:
            self._limit = max(1.0, self._limit / 2)
            self._cut_at = now
            self.cut_by = by

    def cut_to_running(self, in_flight: int, running: int, waiting: int) -> None:
        """The replica's metrics show a queue: go towards our share of what it computes, at most by half at once.

        Args:
            in_flight: Requests of ours that are out.
            running: Requests that the replica computes, ours and others'.
            waiting: Requests that it keeps in its queue.
        """
        ours = in_flight * running / (running + waiting)
        target = max(1.0, ours, self._limit / 2)
        if target < self._limit:
            self._limit = target
            self.cut_by = "queue"
