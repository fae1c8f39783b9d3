"""How fast a run delivers, and when it will be done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

RATE_WINDOW_S = 60.0
"""Long enough that the slow refills at a run's end do not make the ETA jump from line to line."""
_LEAST_SPAN_S = 0.5
_ALL = ""
"""Stands for all routes together."""


class RateMeter:
    """Rows a second over the last `RATE_WINDOW_S` seconds, from how many of each route there are now and then.

    A route that delivers less than a row in that time is measured over as long as its last row took.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}
        self._began_s: float | None = None
        self._now_s = 0.0

    def see(self, delivered: Mapping[str, int]) -> None:
        """There are so many rows of each route now."""
        self._now_s = time.monotonic()
        for route, rows in {_ALL: sum(delivered.values()), **delivered}.items():
            if route not in self._seen:  # one that was not there at the first look had no rows then
                self._seen[route] = deque([] if self._began_s is None else [(self._began_s, 0)])
            self._note(self._seen[route], rows)
        if self._began_s is None:
            self._began_s = self._now_s

    def rate_s(self) -> float:
        """Rows a second; 0 until two looks are apart."""
        return self._rate_s(_ALL)

    def eta_s(self, missing: Mapping[str, int]) -> float | None:
        """Seconds until so many more rows of each route are there at the present rates; ``None``: nothing moves.

        The slowest route decides: grammars write a thousand rows while a model writes ten. A route that has not moved
        yet, because its slots come later, is taken to be as fast as all together.
        """
        if not any(rows > 0 for rows in missing.values()):
            return 0.0
        total = self.rate_s()
        if total == 0:
            return None
        rates = {route: self._rate_s(route) for route, rows in missing.items() if rows > 0}
        alone = [missing[route] / rate for route, rate in rates.items() if rate > 0]
        return max([sum(missing.values()) / total, *alone])

    def _note(self, seen: deque[tuple[float, int]], rows: int) -> None:
        if len(seen) > 1 and self._now_s - seen[-1][0] < _LEAST_SPAN_S:
            seen.pop()
        if not seen or rows != seen[-1][1]:
            seen.append((self._now_s, rows))
        # One older than the window stays, to measure from.
        while len(seen) > 2 and self._now_s - seen[1][0] >= RATE_WINDOW_S:
            seen.popleft()

    def _rate_s(self, route: str) -> float:
        seen = self._seen.get(route)
        if not seen:
            return 0.0
        began_s, before = seen[0]
        return max(0.0, (seen[-1][1] - before) / (self._now_s - began_s)) if self._now_s > began_s else 0.0
