"""How fast a run delivers, and when it will be done."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping

RATE_WINDOW_S = 60.0
"""Long enough that the slow refills at a run's end do not make the ETA jump from line to line."""
_LEAST_SPAN_S = 0.5


class RateMeter:
    """Rows a second over the last `RATE_WINDOW_S` seconds, from how many of each route there are now and then."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Counter[str]]] = deque()

    def see(self, delivered: Mapping[str, int]) -> None:
        """There are so many rows of each route now."""
        now = time.monotonic()
        if self._seen and now - self._seen[-1][0] < _LEAST_SPAN_S and len(self._seen) > 1:
            self._seen.pop()
        self._seen.append((now, Counter(delivered)))
        # One older than the window stays, to measure from.
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_WINDOW_S:
            self._seen.popleft()

    def rate_s(self) -> float:
        """Rows a second; 0 until two looks are apart."""
        return self._rate_s(None)

    def eta_s(self, missing: Mapping[str, int]) -> float | None:
        """Seconds until so many more rows of each route are there at the present rates; ``None``: nothing moves.

        The slowest route decides: grammars write a thousand rows while a model writes ten. A route that does not move
        now, because its slots come later, is taken to be as fast as all together.
        """
        rates = {route: self._rate_s(route) for route, rows in missing.items() if rows > 0}
        total = self.rate_s()
        if total == 0:
            return None
        alone = [missing[route] / rate for route, rate in rates.items() if rate > 0]
        return max([sum(missing.values()) / total, *alone])

    def _rate_s(self, route: str | None) -> float:
        if len(self._seen) < 2:
            return 0.0
        (began_s, before), (now_s, now) = self._seen[0], self._seen[-1]
        rows = now.total() - before.total() if route is None else now[route] - before[route]
        return max(0.0, rows / (now_s - began_s)) if now_s > began_s else 0.0
