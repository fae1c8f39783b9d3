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
from typing import Any, Literal, Self

from routenator.engine.errors import RunError
from routenator.engine.ledger.rows import INSERT_SAMPLE, build_row
from routenator.engine.ledger.schema import connect_ledger, readable_errors, write_meta
from routenator.engine.ledger.trace_codec import TraceEncoder, train_dictionary
from routenator.engine.sample import SampleKey, SampleRecord

MAX_BATCH = 500
"""Samples to a transaction."""
MAX_DELAY_S = 0.25
"""Longest time in seconds from a sample's arrival to its commit."""
MAX_UNCOMMITTED = 2 * MAX_BATCH
"""Samples that wait for their commit; then `LedgerWriter.put` waits."""
TRAINING_RECORDS = 300
"""Records from which the compression dictionary is trained, once in a run."""


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
        on_failure: Called once on the loop when the thread cannot go on (disk full, a failed fsync). Nothing that was
            not committed is claimed: the futures of what was waiting raise the same `RunError`.
        ledger: Number of the ledger; what is put must be of its slots.
    """

    def __init__(self, path: Path, on_failure: Callable[[BaseException], None], ledger: int = 0) -> None:
        self._path = path
        self._ledger = ledger
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._inbox: queue.SimpleQueue[_Entry | _Job] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(MAX_UNCOMMITTED)
        self._failure: RunError | None = None
        self._closed = False
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
        rows = [
            ("duplicate" if duplicate.kind == "exact" else "near_duplicate", duplicate.of, key.slot, key.round)
            for duplicate in duplicates
            for key in (duplicate.key,)
        ]
        sql = (
            "UPDATE sample SET verdict = 'rejected', error_class = ?, duplicate_of = ?"
            " WHERE slot = ? AND round = ? AND verdict = 'accepted'"
        )
        changed: int = await self._call(lambda connection: connection.executemany(sql, rows).rowcount)
        return max(changed, 0)

    async def close(self) -> None:
        """Commit what is waiting and end the thread. Does not raise when the writer had failed."""
        if not self._closed:
            self._closed = True
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
                    self._serve(_Transactions(connection), waiting)
                finally:
                    connection.close()
        except BaseException as exc:
            failure = exc if isinstance(exc, RunError) else RunError(f"the ledger's writer failed: {exc!r}")
            failure.__cause__ = exc if failure is not exc else exc.__cause__
            self._on_loop(self._fail, failure, waiting)

    def _serve(self, transactions: _Transactions, waiting: list[_Entry | _Job]) -> None:
        while True:
            batch, job = self._collect(waiting)
            if batch:
                results: list[Any] = list(transactions.commit([entry.record for entry in batch]))
                self._on_loop(self._settle, [entry.committed for entry in batch], results, len(batch))
            if job is not None:
                result = transactions.apply(job.work) if job.work else None
                self._on_loop(self._settle, [job.done], [result], 0)
                if job.work is None:
                    return
            waiting.clear()

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


class _Transactions:
    """What one transaction holds. Lives on the writer's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        texts = dict(connection.execute("SELECT sha256, id FROM text"))
        newest = connection.execute("SELECT id, body FROM dictionary ORDER BY id DESC LIMIT 1").fetchone()
        self._encoder = TraceEncoder(texts, *(newest or (None, None)))
        self._training: list[bytes] = []

    def apply(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run ``work`` in a transaction of its own."""
        self._connection.execute("BEGIN IMMEDIATE")
        result = work(self._connection)
        self._connection.execute("COMMIT")
        return result

    def commit(self, records: Sequence[SampleRecord]) -> list[bool]:
        """Rows, traces and newly shared texts of ``records``; says of each whether it was the first of its key."""
        committed_at = time.time()
        encoder = self._encoder
        firsts = []
        self._connection.execute("BEGIN IMMEDIATE")
        execute = self._connection.execute
        for record in records:
            first = execute(INSERT_SAMPLE, build_row(record, committed_at)).rowcount == 1
            firsts.append(first)
            if not first:
                continue
            data = encoder.encode(record)
            if encoder.dictionary_id is None:
                self._training.append(data)
            execute(
                "INSERT INTO trace (slot, round, dictionary, blob) VALUES (?, ?, ?, ?)",
                (record.key.slot, record.key.round, encoder.dictionary_id, encoder.compress(data)),
            )
        if texts := encoder.take_new_texts():
            self._connection.executemany(
                "INSERT INTO text (id, sha256, body) VALUES (?, ?, ?)",
                [(text.id, text.sha256, text.body) for text in texts],
            )
        execute("COMMIT")
        if len(self._training) >= TRAINING_RECORDS:
            self._train()
        return firsts

    def _train(self) -> None:
        body = train_dictionary(self._training[:TRAINING_RECORDS])
        self._training = []
        if body is None:
            return
        sql = "INSERT INTO dictionary (body) VALUES (?)"
        identifier = self.apply(lambda connection: connection.execute(sql, (body,)).lastrowid)
        self._encoder.use_dictionary(identifier, body)
