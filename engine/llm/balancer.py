"""Which replica takes the next request, and who waits when none can."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

from routenator.engine.errors import EndpointError
from routenator.engine.llm.replica import Replica


class Balancer:
    """Hands out the least-loaded replica by limit and weight; requests queue first come, first served.

    Two kinds of waiting: for room on a replica that is up, which is back-pressure and may take as long as it takes;
    and for a replica to come back (open breaker, Retry-After), which is bounded by the caller.
    """

    def __init__(self, name: str, replicas: Sequence[Replica]) -> None:
        self._name = name
        self._replicas = tuple(replicas)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._down_s = 0.0
        self._down_since: float | None = None

    @property
    def waiting(self) -> int:
        """Calls that wait for a replica."""
        return len(self._waiting)

    @property
    def trouble(self) -> EndpointError | None:
        """Why nothing can be sent now; ``None`` while any replica is up."""
        now = asyncio.get_running_loop().time()
        if any(replica.ready_at(now) <= now for replica in self._replicas):
            return None
        return next((replica.trouble for replica in self._replicas if replica.trouble), None)

    def has_other(self, avoid: Collection[Replica]) -> bool:
        """Whether a replica outside ``avoid`` is up."""
        now = asyncio.get_running_loop().time()
        return any(replica not in avoid and replica.ready_at(now) <= now for replica in self._replicas)

    async def take(self, avoid: Collection[Replica], patience_s: float) -> tuple[Replica, float]:
        """Wait for a replica and take it; `Replica.on_answer` and its siblings give it back, then `wake`.

        Args:
            avoid: Replicas to be used only if no other has room.
            patience_s: How long to wait for a replica to come back, not counting back-pressure.

        Returns:
            The replica, and the seconds that were spent waiting for one to come back.

        Raises:
            EndpointError: None comes back in time; it says what the last trouble was.
        """
        loop = asyncio.get_running_loop()
        down_s = 0.0
        woken = False
        while True:
            now = loop.time()
            if (woken or not self._waiting) and (replica := self._choose(now, avoid)):
                replica.take(now)
                return replica, down_s
            back_at = self._tally(now)
            left_s = None
            if back_at > now:
                left_s = patience_s - down_s
                if left_s <= 0 or now + left_s < back_at < float("inf"):
                    raise self._give_up()
                self._set_alarm(loop, back_at)
            before_s = self._down_s
            await self._wait(left_s, to_front=woken)
            woken = True
            self._tally(loop.time())
            down_s += self._down_s - before_s

    def wake(self) -> None:
        """Let as many of those who wait try again as there is room."""
        if not self._waiting:
            return
        now = asyncio.get_running_loop().time()
        back_at = self._tally(now)
        room = sum(
            max(0, 1 if replica.breaker.is_open else replica.limit - replica.in_flight)
            for replica in self._replicas
            if replica.ready_at(now) <= now
        )
        while room > 0 and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1
        if self._waiting and back_at > now:
            self._set_alarm(asyncio.get_running_loop(), back_at)

    def close(self) -> None:
        """Cancel the alarm; whoever waits is cancelled by its own task."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _tally(self, now: float) -> float:
        """Count the seconds in which every replica was down, and say when the first comes back (``now``: one is up).

        Called whenever somebody begins or ends to wait, or is to be woken: that is whenever a replica may have changed.
        Who waits through a pause and then for room is charged for the pause only.
        """
        if self._down_since is not None:
            self._down_s += now - self._down_since
        back_at = min(replica.ready_at(now) for replica in self._replicas)
        self._down_since = now if back_at > now else None
        return back_at

    def _choose(self, now: float, avoid: Collection[Replica]) -> Replica | None:
        ready = [replica for replica in self._replicas if replica.ready_at(now) <= now and replica.has_room]
        if len(ready) == 1:
            return ready[0]
        return min(ready, key=lambda replica: (replica in avoid, replica.load), default=None)

    async def _wait(self, timeout_s: float | None, to_front: bool) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if to_front else self._waiting.append)(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            self._forget(waiter)
        except asyncio.CancelledError:
            self._forget(waiter)
            self.wake()  # a turn that was given to us goes to the next
            raise

    def _forget(self, waiter: asyncio.Future[None]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if at == float("inf") or (self._alarm is not None and not self._alarm.cancelled() and self._alarm.when() <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.wake()

    def _give_up(self) -> EndpointError:
        trouble = next((replica.trouble for replica in self._replicas if replica.trouble), None)
        if trouble is None:
            return EndpointError(f"endpoint {self._name} is not answering", retryable=True)
        return type(trouble)(
            f"endpoint {self._name} is not answering; its last error: {trouble.what}",
            status=trouble.status,
            retry_after_s=trouble.retry_after_s,
            hint=trouble.hint,
        )
