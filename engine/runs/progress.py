"""How fast a run delivers, and when it will be done."""

from __future__ import annotations

import time
from collections import deque

RATE_WINDOW_S = 60.0
"""Long enough that the slow refills at a run's end do not make the ETA jump from line to line."""
_LEAST_SPAN_S = 0.5


class RateMeter:
    """Rows a second over the last `RATE_WINDOW_S` seconds, from how many there are now and then."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, rows: int) -> None:
        """There are ``rows`` rows now."""
        now = time.monotonic()
        if self._seen and now - self._seen[-1][0] < _LEAST_SPAN_S and len(self._seen) > 1:
            self._seen.pop()
        self._seen.append((now, rows))
        # One older than the window stays, to measure from.
        while len(self._seen) > 2 and now - self._seen[1][0] >= RATE_WINDOW_S:
            self._seen.popleft()

    def rate_s(self) -> float:
        """Rows a second; 0 until two looks are apart."""
        if len(self._seen) < 2:
            return 0.0
        (began_s, before), (now_s, now) = self._seen[0], self._seen[-1]
        return max(0.0, (now - before) / (now_s - began_s)) if now_s > began_s else 0.0

    def eta_s(self, missing: int) -> float | None:
        """Seconds until ``missing`` more rows are there at the present rate; ``None``: nothing moves."""
        rate = self.rate_s()
        return missing / rate if rate > 0 else None
