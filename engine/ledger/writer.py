"""The one writer of a ledger: a thread of its own, many samples to a transaction."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from routenator.engine.errors import RunError
from routenator.engine.ledger.rows import mark_duplicate
from routenator.engine.ledger.schema import connect_ledger, readable_errors, write_meta
from routenator.engine.ledger.transactions import Transactions
from routenator.engine.sample import SampleKey, SampleRecord

MAX_BATCH = 500
"""Samples to a transaction."""
MAX_DELAY_S = 0.25
"""Longest time in seconds from a sample's arrival to its commit."""
MAX_UNCOMMITTED = 2 * MAX_BATCH
"""Samples that wait for their commit; then `LedgerWriter.put` waits."""
RETRY_PAUSE_S = 1.0
"""Seconds between two tries to write on a full disk."""


# When the file of the shared memory cannot grow, SQLite does not say that it was for want of room.
_DISK_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An accepted sample that repeats another; ``of`` is the trace id of the one that stays."""

    key: SampleKey
    of: str
    kind: Literal["exact", "near"]


@dataclass(frozen=True, slots=True)
class _Job:
    """Work of its own between two batches; ``None``: stop after what came before."""

    work: Callable[[sqlite3.Connection], Any] | None
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    record: SampleRecord
    committed: asyncio.Future[bool]


class LedgerWriter:
    """Commits samples off the event loop. Made and used on one running loop, under the run's lock.

    Args:
        path: The run's directory; `RunDirectory` has made its database.
        on_failure: Called once on the loop when the thread cannot go on (a failed write or fsync). Nothing that was
            not committed is claimed: the futures of what was waiting raise the same `RunError`.
        ledger: Number of the ledger; what is put must be of its slots.
        traces: Whether traces are kept; without them a sample is its row alone.

    Attributes:
        trouble: What the writer waits for, for the person at the terminal: room on a full disk. `put` waits with it,
            and everything goes on by itself once there is room. ``None``: nothing.
    """

    def __init__(
        self, path: Path, on_failure: Callable[[BaseException], None], ledger: int = 0, *, traces: bool = True
    ) -> None:
        self.trouble: str | None = None
        self._path = path
        self._ledger = ledger
        self._traces = traces
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[_Entry | _Job] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._failure: RunError | None = None
        self._closed = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def put(self, record: SampleRecord) -> asyncio.Future[bool]:
        """Hand over a finished sample; waits while too many are uncommitted.

        Returns:
            A future that is done when the sample is on the disk: ``True``, or ``False`` when an earlier sample of the
            same slot and round was there first and this one is dropped. It need not be awaited.

        Raises:
            RunError: The writer has failed or is closed.
        """
        self._check_open()
        await self._room.acquire()
        self._check_open()
        entry = _Entry(record, self._new_future())
        self._inbox.put(entry)
        return entry.committed

    async def flush(self) -> None:
        """Return when everything that was put before is on the disk."""
        await self._call(lambda connection: None)

    async def set_meta(self, **values: Any) -> None:
        """Keep JSON-able ``values`` in ``meta``, such as the judge's calibration; the run's own is ledger 0's."""
        await self._call(lambda connection: write_meta(connection, values))

    async def mark_duplicates(self, duplicates: Sequence[Duplicate]) -> int:
        """Turn accepted samples of this ledger into rejected ones, all in one transaction; their slots are open again.

        Returns:
            How many were accepted until now.
        """
        error_classes = {"exact": "duplicate", "near": "near_duplicate"}
        marked: int = await self._call(
            lambda connection: sum(
                mark_duplicate(connection, item.key, error_classes[item.kind], item.of) for item in duplicates
            )
        )
        return marked

    async def close(self) -> None:
        """Commit what is waiting and end the thread. Does not raise when the writer had failed.

        On a full disk it tries once more and then gives up: what was waiting is not claimed.
        """
        if not self._closed:
            self._closed = True
            self._closing.set()
            self._inbox.put(_Job(None, self._new_future()))
        await asyncio.to_thread(self._thread.join)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _check_open(self) -> None:
        if self._failure is not None:
            self._room.release()  # wakes the next one that waits for room, to hear the same
            raise self._failure
        if self._closed:
            raise RunError("the run's ledger is closed")

    def _new_future(self) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        # A failure reaches the run by on_failure; a future that nobody awaits must not complain as well.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    async def _call(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        self._check_open()
        job = _Job(work, self._new_future())
        self._inbox.put(job)
        return await job.done

    # What follows runs on the thread, but for _settle and _fail.

    def _run(self) -> None:
        waiting: list[_Entry | _Job] = []
        try:
            with readable_errors(self._path, self._ledger):
                connection = connect_ledger(self._path, self._ledger)
                try:
                    self._serve(Transactions(connection, self._traces), waiting)
                finally:
                    connection.close()
        except BaseException as exc:
            failure = exc if isinstance(exc, RunError) else RunError(f"the ledger's writer failed: {exc!r}")
            failure.__cause__ = exc if failure is not exc else exc.__cause__
            self._on_loop(self._fail, failure, waiting)

    def _serve(self, transactions: Transactions, waiting: list[_Entry | _Job]) -> None:
        while True:
            entries, job = self._collect(waiting)
            if entries:
                batch = transactions.prepare([entry.record for entry in entries])
                results: list[Any] = list(self._when_room(transactions.insert, batch))
                self._on_loop(self._settle, [entry.committed for entry in entries], results, len(entries))
                del waiting[: len(entries)]
                if (dictionary := transactions.take_dictionary()) is not None:
                    self._when_room(transactions.use_dictionary, dictionary)
            if job is not None:
                result = self._when_room(transactions.apply, job.work) if job.work else None
                self._on_loop(self._settle, [job.done], [result], 0)
                if job.work is None:
                    return
            waiting.clear()

    def _when_room(self, transact: Callable[[Argument], Result], argument: Argument) -> Result:
        """Try the transaction again for as long as the disk is full."""
        try:
            while True:
                is_last_try = self._closing.is_set()
                try:
                    return transact(argument)
                except sqlite3.Error as exc:
                    if getattr(exc, "sqlite_errorcode", None) not in _DISK_FULL or is_last_try:
                        raise
                self.trouble = f"no room on the disk of {self._path}: waiting"
                self._closing.wait(RETRY_PAUSE_S)
        finally:
            self.trouble = None

    def _collect(self, waiting: list[_Entry | _Job]) -> tuple[list[_Entry], _Job | None]:
        batch: list[_Entry] = []
        item = self._inbox.get()
        deadline = time.monotonic() + MAX_DELAY_S
        while True:
            waiting.append(item)
            if isinstance(item, _Job):
                return batch, item
            batch.append(item)
            if len(batch) >= MAX_BATCH:
                return batch, None
            try:
                item = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return batch, None

    def _on_loop(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return  # the loop is gone, and everyone who could be told with it

    def _settle(self, futures: Sequence[asyncio.Future[Any]], results: Sequence[Any], room: int) -> None:
        for _ in range(room):
            self._room.release()
        for future, result in zip(futures, results, strict=True):
            if not future.done():
                future.set_result(result)

    def _fail(self, failure: RunError, waiting: list[_Entry | _Job]) -> None:
        self._failure = failure
        while not self._inbox.empty():
            waiting.append(self._inbox.get())
        for item in waiting:
            future = item.committed if isinstance(item, _Entry) else item.done
            if not future.done():
                future.set_exception(failure)
        self._room.release()
        self._on_failure(failure)
