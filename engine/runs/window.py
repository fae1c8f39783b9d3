"""The window of samples in flight: as many at once as the recipe allows, each committed as it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import NoReturn

from routenator.engine.errors import EndpointError, RunError
from routenator.engine.ledger.writer import LedgerWriter
from routenator.engine.runs.tally import Tally
from routenator.engine.sample import SampleKey, SampleRecord

MAX_FAILURES_IN_A_ROW = 25
"""Samples of one route that may fail at their endpoint one after another before the run stops: a dead endpoint must
not burn the slots' rounds, nor hide behind a route that needs none."""

RunSample = Callable[[SampleKey], Awaitable[SampleRecord]]


class StopSwitch:
    """Asks a run to take nothing new; what is in flight ends and is committed."""

    def __init__(self) -> None:
        self.is_set = False
        self._failure: BaseException | None = None
        self._failed = asyncio.Event()

    def set(self) -> None:
        """Ask."""
        self.is_set = True

    def fail(self, failure: BaseException) -> None:
        """Nothing can be committed any more: what is in flight is given up at once."""
        self.is_set = True
        self._failure = failure
        self._failed.set()

    async def raise_failure(self) -> NoReturn:
        """Wait for a failure and raise it."""
        await self._failed.wait()
        assert self._failure is not None
        raise self._failure


class FailureWatch:
    """Notices that an endpoint is gone, within a pass over the open slots and from pass to pass.

    Attributes:
        barren: Why the pass under way is in vain: what its last sample failed with, while every one of them failed at
            its endpoint.
    """

    def __init__(self) -> None:
        self._in_a_row: Counter[str] = Counter()
        self._got_through = False
        self.barren: str | None = None

    def begin_pass(self) -> None:
        """A new pass over the open slots begins."""
        self._got_through = False
        self.barren = None

    def see(self, record: SampleRecord) -> None:
        """Raise `RunError` when a route's endpoint has failed too many samples without one that it did not."""
        route = record.stratum.route
        if record.error_class != EndpointError.error_class:
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
                hint="Mend the endpoint (`routenator check-endpoints`) and give the same command again: it goes on",
            )


async def run_window(
    keys: Iterator[SampleKey],
    run_sample: RunSample,
    writer: LedgerWriter,
    tally: Tally,
    max_in_flight: int,
    stop: StopSwitch,
    watch: FailureWatch,
) -> None:
    """Run every sample of ``keys``, at most ``max_in_flight`` at a time, and commit it.

    Returns when all are committed, or, once ``stop`` is set, when those in flight are. Once ``stop`` has failed, what
    is in flight is given up.

    Raises:
        RunError: The ledger failed, or too many samples failed one after another.
        AuthError, WrongModelError: An endpoint refuses our key, or has not the model. Samples in flight are given up;
            their slots stay open.
    """
    watch.begin_pass()

    async def work() -> None:
        for key in keys:
            if stop.is_set:
                return
            tally.in_flight += 1
            try:
                record = await run_sample(key)
            finally:
                tally.in_flight -= 1
            await writer.put(record)
            tally.add(record)
            watch.see(record)

    try:
        async with asyncio.TaskGroup() as group:
            # A sample that hangs in a call never reaches the ledger: its failure has to come to the window.
            guard = group.create_task(stop.raise_failure())
            await asyncio.wait([group.create_task(work()) for _ in range(max_in_flight)])
            guard.cancel()
    except ExceptionGroup as failures:
        # The first failure is the cause; the others are the same thing seen by a sibling.
        raise failures.exceptions[0] from None
    await writer.flush()
