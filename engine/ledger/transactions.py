"""What a ledger's writer does in one transaction: samples with their traces, or a piece of other work."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from routenator.engine.ledger.rows import INSERT_SAMPLE, Cell, build_row
from routenator.engine.ledger.trace_codec import SharedText, TraceEncoder, train_dictionary
from routenator.engine.sample import SampleRecord

TRAINING_RECORDS = 300
"""Records from which the compression dictionary is trained, once in a run."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples ready to be inserted; inserting them again after a rollback gives the same.

    Attributes:
        rows: Cells of each sample.
        blobs: Its trace, or ``None`` when the run keeps none.
        dictionary_id: What the traces are compressed with.
        texts: Texts that these traces are the first to refer to.
    """

    rows: list[tuple[Cell, ...]]
    blobs: list[bytes | None]
    dictionary_id: int | None
    texts: list[SharedText]


class Transactions:
    """The transactions on one connection. Lives on the writer's thread.

    Args:
        connection: As `connect_ledger` gives it.
        traces: Whether traces are kept.
    """

    def __init__(self, connection: sqlite3.Connection, traces: bool) -> None:
        self._connection = connection
        self._traces = traces
        newest = connection.execute("SELECT id, body FROM dictionary ORDER BY id DESC LIMIT 1").fetchone()
        (last_text,) = connection.execute("SELECT ifnull(max(id), 0) FROM text").fetchone()
        self._encoder = TraceEncoder(self._find_text, last_text + 1, *(newest or (None, None)))
        self._training: list[bytes] = []

    def _find_text(self, sha256: bytes) -> int | None:
        found = self._connection.execute("SELECT id FROM text WHERE sha256 = ?", (sha256,)).fetchone()
        return found[0] if found else None

    def prepare(self, records: Sequence[SampleRecord]) -> Batch:
        """Encode and compress what `insert` needs. Once for each record: the encoder remembers what it has shared."""
        committed_at = time.time()
        encoder = self._encoder
        blobs: list[bytes | None] = []
        rows = []
        for record in records:
            blob = None
            if self._traces:
                data = encoder.encode(record)
                blob = encoder.compress(data)
                if encoder.dictionary_id is None and len(self._training) < TRAINING_RECORDS:
                    self._training.append(data)
            blobs.append(blob)
            rows.append(build_row(record, committed_at, encoder.dictionary_id, blob))
        return Batch(rows, blobs, encoder.dictionary_id, encoder.take_new_texts())

    def insert(self, batch: Batch) -> list[bool]:
        """Commit rows, traces and newly shared texts; says of each sample whether it was the first of its key."""

        def work(connection: sqlite3.Connection) -> list[bool]:
            execute = connection.execute
            firsts = []
            for row, blob in zip(batch.rows, batch.blobs, strict=True):
                first = execute(INSERT_SAMPLE, row).rowcount == 1
                firsts.append(first)
                if first and blob is not None:
                    execute(
                        "INSERT INTO trace (slot, round, dictionary, blob) VALUES (?, ?, ?, ?)",
                        (row[0], row[1], batch.dictionary_id, blob),
                    )
            connection.executemany(
                "INSERT INTO text (id, sha256, body) VALUES (?, ?, ?)",
                [(text.id, text.sha256, text.body) for text in batch.texts],
            )
            return firsts

        return self.apply(work)

    def apply(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``work`` in a transaction of its own; nothing of it stays when it or the commit fails."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back after some errors
                self._connection.execute("ROLLBACK")
            raise
        return result

    def take_dictionary(self) -> bytes | None:
        """A dictionary, once, when enough records have been seen to train it."""
        if len(self._training) < TRAINING_RECORDS:
            return None
        body = train_dictionary(self._training)
        self._training = []
        return body

    def use_dictionary(self, body: bytes) -> None:
        """Store ``body`` and compress with it from now on."""
        sql = "INSERT INTO dictionary (body, checksum) VALUES (?, ?)"
        parameters = (body, zlib.crc32(body))
        identifier = self.apply(lambda connection: connection.execute(sql, parameters).lastrowid)
        self._encoder.use_dictionary(identifier, body)
