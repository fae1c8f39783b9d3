"""What is looked at once a second while requests are out: stalls, the servers' own queues, and our own absences."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routenator.engine.errors import EndpointError
from routenator.engine.llm.replica import Replica

TICK_S = 1.0
ASK_TIMEOUT_S = 1.0
ASK_AGAIN_S = 60.0
"""After a server showed no metrics that we know."""
MISSES_TO_GIVE_UP = 3
ABSENCE_S = 3.0
"""A second that took so much longer was not the servers': this process was stopped, or its loop was."""
LEAST_STALL_S = 5.0
LEAST_STALL_SHARE = 1 / 3
"""Of ``timeout_s``, which says how long the user thinks that an answer may take: the first long answers after quick
probes are no stall."""
STALL_PER_LATENCY = 10.0
QUEUED_SHARE = 0.1
"""Of what runs; so much may wait, lest the server idle between two requests."""
POLLS_TO_CUT = 2

_GAUGE = re.compile(
    rb'^vllm:num_requests_(running|waiting|waiting_by_reason)(?:\{(?:.*reason="(\w+)")?.*\})?[ \t]+(\S+)', re.MULTILINE
)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What the monitor remembers of one replica.

    Attributes:
        patience: Factor on the time without an answer that counts as a stall; doubled by each, until one is answered.
    """

    replica: Replica
    patience: float = 1.0
    stalled_at: float = 0.0
    ask_at: float = 0.0
    misses: int = 0
    long_queues: int = 0


class Monitor:
    """Watches one endpoint's replicas in one background task, from the first request on. Belongs to one event loop.

    * Stall: a server whose ``/health`` says 200 may answer nobody. If nothing ended for 10 times the usual latency,
      at least 5 s and a third of ``timeout_s``, at most all of it, the replica's breaker opens and what is out fails
      over.
    * Queue: vLLM takes whatever it is sent and says in ``/metrics`` how much of it waits. If more than a tenth of what
      runs waits in two polls in a row, the limit goes towards what runs. A server without these metrics is asked once
      a minute; a failed poll never counts against it.
    * Absence: if this process was stopped (SIGSTOP, a sleeping laptop), deadlines passed that no server missed.

    Args:
        timeout_s: Deadline of one request.
        wake: Called when a limit or a breaker changed.
    """

    def __init__(self, name: str, replicas: Sequence[Replica], timeout_s: float, wake: Callable[[], None]) -> None:
        self._name = name
        self._watches = [_Watch(replica) for replica in replicas]
        self._timeout_s = timeout_s
        self._wake = wake
        self._task: asyncio.Task[None] | None = None
        self._ticked_at = 0.0
        self._returned_at = float("-inf")

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._ticked_at = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._run(), name=f"monitor of {self._name}")

    async def aclose(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def was_absent(self, sent_at: float, now: float) -> bool:
        """Whether this process was stopped while a request was out.

        Right also before the monitor's own turn has come: whatever was due in an absence runs at its end in any order.
        """
        return sent_at < self._returned_at or now - self._ticked_at > TICK_S + ASK_TIMEOUT_S + ABSENCE_S

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._ticked_at = loop.time()
            await asyncio.sleep(TICK_S)
            now = loop.time()
            if now - self._ticked_at > TICK_S + ABSENCE_S:
                self._return(now)
            busy = [watch for watch in self._watches if watch.replica.in_flight > 0]
            for watch in busy:
                self._look_for_stall(watch, now)
            await asyncio.gather(*(self._ask(watch, now) for watch in busy if now >= watch.ask_at))
            self._wake()

    def _return(self, now: float) -> None:
        stopped_s = now - self._ticked_at
        logger.warning("this process was stopped for %.0f s; what was out and failed is sent again", stopped_s)
        self._returned_at = now
        for watch in self._watches:
            watch.replica.quiet_since = now
            watch.replica.latency.forget_window()

    def _look_for_stall(self, watch: _Watch, now: float) -> None:
        replica = watch.replica
        if replica.latency_s is None:
            return  # nothing is known of its pace; the deadline of each request does
        if replica.answered_at > watch.stalled_at:
            watch.patience = 1.0
        least_s = max(LEAST_STALL_S, LEAST_STALL_SHARE * self._timeout_s)
        stall_s = min(self._timeout_s, watch.patience * max(least_s, STALL_PER_LATENCY * replica.latency_s))
        quiet_s = now - replica.quiet_since
        if quiet_s < stall_s:
            return
        watch.patience *= 2
        watch.stalled_at = now
        error = EndpointError(
            f"{replica.name} has answered none of {replica.in_flight} requests for {quiet_s:.0f} s", retryable=True
        )
        logger.warning("endpoint %s: paused: %s", self._name, error.what)
        replica.abort_all(error, now)

    async def _ask(self, watch: _Watch, now: float) -> None:
        """Read the replica's queue, and cut its limit if that stays long."""
        replica = watch.replica
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                reply = await replica.client.get_metrics()
        except (TimeoutError, EndpointError):
            watch.misses += 1
            if watch.misses >= MISSES_TO_GIVE_UP:
                self._give_up(watch, now)
            return
        watch.misses = 0
        queue = read_queue(reply.content) if reply.status == 200 else None
        if queue is None:
            self._give_up(watch, now)
            return
        running, replica.queued = queue
        watch.long_queues = watch.long_queues + 1 if replica.queued > QUEUED_SHARE * running else 0
        if watch.long_queues >= POLLS_TO_CUT and running > 0:
            replica.aimd.cut_to_running(replica.in_flight, running, replica.queued)

    def _give_up(self, watch: _Watch, now: float) -> None:
        watch.misses = watch.long_queues = 0
        watch.replica.queued = None
        watch.ask_at = now + ASK_AGAIN_S


def read_queue(metrics: bytes) -> tuple[int, int] | None:
    """Requests that run and that wait on a vLLM server, summed over its engines and models; ``None`` if it is none.

    Where the server says why they wait, those count that wait for capacity: one whose grammar is being compiled
    ("deferred") would not run on an idle server either.

    Source:
        vLLM, production metrics; Prometheus text exposition format 0.0.4.
    """
    sums: dict[bytes, float] = {}
    for name, reason, text in _GAUGE.findall(metrics):
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value):
            key = reason or name
            sums[key] = sums.get(key, 0.0) + value
    if not {b"running", b"waiting"} <= sums.keys():
        return None
    return int(sums[b"running"]), int(sums.get(b"capacity", sums[b"waiting"]))
