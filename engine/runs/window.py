"""The window of samples in flight: as many at once as allowed, each handed to its ledger as it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NoReturn

from routenator.engine.errors import EndpointError, InternalError, RunError
from routenator.engine.sample import SampleKey, SampleRecord
from routenator.engine.traces.recording import SpanRecorder

MAX_FAILURES_IN_A_ROW = 25
"""Samples of one route that may fail one after another, at their endpoint or by a fault of ours, before the run stops:
neither may burn the slots' rounds, nor hide behind a route that does without."""
DRAIN_S = 15.0
"""Seconds that the samples in flight have to end once the window is stopped; then they are given up."""

_HINTS = {
    EndpointError.error_class: "Mend the endpoint (`routenator check-endpoints`) and give the same command again: it "
    "goes on",
    InternalError.error_class: "This is a fault of routenator: please report it with one of these traces (`routenator "
    "traces list RUN_DIR --verdict failed`)",
}

RunSample = Callable[[SampleKey, SpanRecorder], Awaitable[SampleRecord]]
Put = Callable[[SampleRecord], Awaitable[Any]]
"""Hands a finished sample to its ledger; waits while that is behind."""


class FailureWatch:
    """Notices that an endpoint is gone, or a fault of ours fails every sample, within a pass and from pass to pass.

    Attributes:
        samples: Samples of the pass under way that have ended.
        barren: Why the pass under way is in vain: what its last sample failed with, while every one of them failed in
            such a way.
    """

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._got_through = False
        self.samples = 0
        self.barren: str | None = None

    def begin_pass(self) -> None:
        """A new pass over the open slots begins."""
        self._got_through = False
        self.samples = 0
        self.barren = None

    def see(self, record: SampleRecord) -> None:
        """Raise `RunError` when too many samples of a route have failed in such a way, without one that did not."""
        self.samples += 1
        route = record.stratum.route
        if record.error_class not in _HINTS:
            self._in_a_row[route] = 0
            self._got_through = True
            self.barren = None
            return
        if not self._got_through:
            self.barren = record.error
        self._in_a_row[route] += 1
        if self._in_a_row[route] >= MAX_FAILURES_IN_A_ROW:
            raise RunError(
                f"{MAX_FAILURES_IN_A_ROW} {route} samples failed one after another, the last with: {record.error}",
                hint=_HINTS[record.error_class],
            )


class Window:
    """Runs samples, a bounded number at a time, whatever the number of slots. Made and used on one event loop.

    Args:
        run_sample: Takes one sample through the graph.
        put: Hands its record to the ledger.
        max_in_flight: Samples at once; `set_max_in_flight` changes it while the window is at work.
        drain_s: Seconds that the samples in flight have to end once the window is stopped.

    Attributes:
        drained: Set when that time is over.
    """

    def __init__(self, run_sample: RunSample, put: Put, max_in_flight: int, drain_s: float = DRAIN_S) -> None:
        self.max_in_flight = max_in_flight
        self._run_sample = run_sample
        self._put = put
        self._drain_s = drain_s
        self._begun: dict[SampleKey, SpanRecorder] = {}
        self._crew: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._keys: Iterator[SampleKey] = iter(())
        self._see: Callable[[SampleRecord], None] = lambda record: None
        self._has_keys = False
        self._is_stopping = False
        self.drained = asyncio.Event()
        self._may_begin = asyncio.Event()
        self._may_begin.set()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

    @property
    def begun(self) -> Mapping[SampleKey, SpanRecorder]:
        """The samples in flight, the oldest first."""
        return self._begun

    async def run(self, keys: Iterator[SampleKey], see: Callable[[SampleRecord], None]) -> None:
        """Run every sample of ``keys`` and hand it to the ledger.

        Returns when all have ended, or, once the window is stopped, when those in flight have, or are given up.

        Args:
            keys: Taken one by one, as room comes free.
            see: Called with each record; what it raises ends the window.

        Raises:
            RunError: The ledger failed, or ``see`` raised it.
            AuthError, WrongModelError: An endpoint refuses our key, or has not the model. Samples in flight are given
                up; their slots stay open.
        """
        self._keys, self._see, self._has_keys = keys, see, True
        self._ended.clear()
        try:
            async with asyncio.TaskGroup() as self._group:
                # A sample that hangs in a call never reaches the ledger: its failure has to come to the window.
                guard = self._group.create_task(self._raise_failure())
                self._hire()
                await self._ended.wait()
                guard.cancel()
        except ExceptionGroup as failures:
            # The first failure is the cause; the others are the same thing seen by a sibling.
            raise failures.exceptions[0] from None
        finally:
            self._group = None

    def pause(self) -> None:
        """Begin nothing until `resume`; what is in flight ends."""
        self._may_begin.clear()

    def resume(self) -> None:
        """Begin samples again."""
        self._may_begin.set()

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """Change how many samples may be in flight; a lower number is reached as samples end."""
        self.max_in_flight = max_in_flight
        if self._group is not None:
            self._hire()

    def stop(self) -> None:
        """Begin nothing more; what is in flight has ``drain_s`` seconds to end."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._may_begin.set()
        asyncio.get_running_loop().call_later(self._drain_s, self._give_up)

    def fail(self, failure: BaseException) -> None:
        """Nothing can be committed any more: what is in flight is given up at once."""
        self._failure = failure
        self._failed.set()

    def _give_up(self) -> None:
        self.drained.set()
        for task in self._crew:
            task.cancel()

    async def _raise_failure(self) -> NoReturn:
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure

    def _hire(self) -> None:
        assert self._group is not None
        while len(self._crew) < self.max_in_flight and self._has_keys and not self._is_stopping:
            self._crew.add(self._group.create_task(self._work()))
        if not self._crew:
            self._ended.set()

    async def _work(self) -> None:
        """One place in the window: takes samples one after another for as long as the place exists."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while True:
                await self._may_begin.wait()
                if len(self._crew) > self.max_in_flight:
                    return
                key = None if self._is_stopping else next(self._keys, None)
                if key is None:
                    self._has_keys = False
                    return
                recorder = self._begun[key] = SpanRecorder()
                try:
                    record = await self._run_sample(key, recorder)
                finally:
                    del self._begun[key]
                await self._put(record)
                self._see(record)
        finally:
            self._crew.discard(task)
            if not self._crew:
                self._ended.set()
