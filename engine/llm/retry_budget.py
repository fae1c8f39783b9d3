"""How many retries an endpoint is sent, so that one that is sick is not stormed."""

from __future__ import annotations

import asyncio
from collections import deque

RETRIES_PER_CALL = 0.2
FLOOR_PER_S = 10.0
BURST_S = 10.0


class RetryBudget:
    """A token bucket: calls and time put tokens in, each retry takes one, and waits when there is none.

    Without it, a server that fails for everybody gets every call ``max_retries + 1`` times, just when it can bear it
    least. Belongs to one event loop.

    Args:
        burst: Retries that may go at once after a quiet time: as many requests as may be out when a server dies.

    Source:
        Finagle's RetryBudget, with its numbers: 20 % of the calls, and 10 a second whatever comes. Waiting in place of
        failing is ours: a bulk run has time.
    """

    def __init__(self, burst: int) -> None:
        self._capacity = max(float(burst), FLOOR_PER_S * BURST_S)
        self._tokens = self._capacity
        self._filled_at: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Retries that wait for a token."""
        return len(self._waiting)

    def on_call(self) -> None:
        """A call makes its first attempt."""
        self._tokens = min(self._capacity, self._tokens + RETRIES_PER_CALL)
        if self._waiting:
            self._serve()

    async def take(self, timeout_s: float) -> bool:
        """Take a token, first come, first served; ``False`` if there was none within ``timeout_s``."""
        self._fill()
        if not self._waiting and self._tokens >= 1:
            self._tokens -= 1
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return self._leave(waiter)
        except asyncio.CancelledError:
            if self._leave(waiter):
                self._tokens += 1  # it was given to us as we went
                self._serve()
            raise
        return True

    def close(self) -> None:
        """Cancel the alarm; whoever waits is cancelled by its own task."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _leave(self, waiter: asyncio.Future[None]) -> bool:
        """Stop waiting; whether a token had come all the same."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            return False
        return not waiter.cancelled()

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._filled_at is not None:
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * FLOOR_PER_S)
        self._filled_at = now

    def _serve(self) -> None:
        """Give tokens to those who wait, and come back when time has made the next."""
        self._fill()
        while self._waiting and self._tokens >= 1:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._tokens -= 1
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._waiting:
            self._alarm = asyncio.get_running_loop().call_later((1 - self._tokens) / FLOOR_PER_S, self._serve)
