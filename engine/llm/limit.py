"""How many requests one replica gets at once."""

from __future__ import annotations


class AimdLimit:
    """Concurrency limit: additive increase, multiplicative decrease.

    Starts at its ceiling, is halved when the replica says that it is overloaded, and grows by about one for each
    full window of successes.

    Source:
        D.-M. Chiu and R. Jain, Analysis of the increase and decrease algorithms for congestion avoidance, 1989.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._limit = float(ceiling)
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return int(self._limit)

    def grow(self) -> None:
        """A request succeeded."""
        self._limit = min(float(self.ceiling), self._limit + 1 / self._limit)

    def cut(self, sent_at: float, now: float) -> None:
        """A request that was sent at ``sent_at`` met an overloaded replica (times in monotonic seconds).

        What was sent before the last cut belongs to the same burst and says nothing new.
        """
        if sent_at >= self._cut_at:
            self._limit = max(1.0, self._limit / 2)
            self._cut_at = now
