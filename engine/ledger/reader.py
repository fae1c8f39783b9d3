"""Reads a run while it is written: every read is short, so that the write-ahead logs can be emptied behind it.

The ledgers are read one by one and put together here: SQLite attaches no more than ten databases.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.rows import checksum_trace, from_cell, is_whole, parse_row, to_cell
from routenator.engine.ledger.schema import (
    ROW_COLUMNS,
    check_owner,
    connect_reader,
    damaged,
    read_meta,
    readable_errors,
)
from routenator.engine.ledger.totals import TOTAL_COLUMNS
from routenator.engine.ledger.trace_codec import TraceDecoder
from routenator.engine.sample import SampleKey, Verdict

_ROWS_A_READ = 2_000
_SLOTS_A_READ = 10_000
_SLOTS_A_PAGE = 1_000
_FROM_LISTING = "FROM sample INDEXED BY sample_listing"
_COLUMNS = ", ".join(ROW_COLUMNS)


@dataclass(frozen=True, slots=True)
class Counts:
    """How the plan's slots stand; ``planned`` is the sum of the others.

    A slot is accepted when any of its rounds is; otherwise its latest round says what it is.
    """

    planned: int
    accepted: int
    rejected: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class SampleFilter:
    """Which samples are wanted; ``None`` means any."""

    verdict: Verdict | None = None
    route: str | None = None
    error_class: str | None = None
    function: str | None = None
    category: str | None = None
    template: str | None = None

    def where(self) -> tuple[str, list[str | bytes | None]]:
        """SQL condition with its parameters."""
        given = {name: value for name in SampleFilter.__slots__ if (value := getattr(self, name)) is not None}
        return " AND ".join(f"{name} = ?" for name in given) or "TRUE", [to_cell(value) for value in given.values()]


class LedgerReader:
    """A read-only view of the run at ``path``, the union of its ledgers, for one thread.

    Attributes:
        path: The run's directory.
        layout: How its slots are dealt to its ledgers.

    Raises:
        RunError: There is no run, another version wrote it, or one of its files is missing or another run's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections = [connect_reader(path)]
        try:
            meta = self.meta()
            self.layout = Layout(**meta["layout"])
            self._planned_rows: int = meta["planned_rows"]
            for ledger in range(1, self.layout.ledgers):
                self._connections.append(connect_reader(path, ledger))
                with readable_errors(path, ledger):
                    check_owner(self._connections[ledger], path, ledger, meta["run_id"])
        except BaseException:
            self.close()
            raise
        self._decoders = [
            TraceDecoder(partial(self._body, ledger, "dictionary"), partial(self._body, ledger, "text"))
            for ledger in range(self.layout.ledgers)
        ]

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _fetch(self, ledger: int, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        with readable_errors(self.path, ledger):
            return self._connections[ledger].execute(sql, parameters).fetchall()

    def _fetch_all(self, sql: str, *parameters: Any, ledgers: Collection[int] | None = None) -> Iterator[sqlite3.Row]:
        """Rows of all ledgers, or of these, one ledger after the other."""
        for ledger in range(self.layout.ledgers) if ledgers is None else ledgers:
            yield from self._fetch(ledger, sql, *parameters)

    def _body(self, ledger: int, table: str, identifier: int) -> bytes:
        rows = self._fetch(ledger, f"SELECT body FROM {table} WHERE id = ?", identifier)  # noqa: S608 - names of ours
        if not rows:
            raise damaged(self.path, ledger, f"{table} {identifier} is missing")
        body: bytes = rows[0]["body"]
        return body

    def meta(self) -> dict[str, Any]:
        """Everything in ``meta``: run_id, created_at, package_version, identity, planned_rows and what was added."""
        with readable_errors(self.path):
            return read_meta(self._connections[0])

    def planned_rows(self) -> int:
        """Slots of the plan."""
        return self._planned_rows

    def counts(self) -> Counts:
        """How the plan's slots stand, as the ledgers' totals say: at once for any number of slots."""
        slots: Counter[str] = Counter()
        for row in self._fetch_all("SELECT verdict, slots FROM standing"):
            slots[row["verdict"]] += row["slots"]
        planned = self._planned_rows
        return Counts(planned, slots["accepted"], slots["rejected"], slots["failed"], planned - slots.total())

    def open_slots(self, max_rounds: int, ledgers: Collection[int] | None = None) -> Iterator[SampleKey]:
        """What is still to be done, in slot order: each slot without an accepted sample, with its next round.

        Lazy, in memory that does not grow with the plan; the first comes at once. A slot that is finished while the
        iterator is behind it is seen as finished.

        Args:
            max_rounds: Refill rounds; a slot whose rounds 0..``max_rounds`` are all used up is left out.
            ledgers: Only the slots of these ledgers; ``None``: of all.
        """
        delivered = "SELECT count(DISTINCT slot) FROM sample WHERE verdict = 'accepted' AND slot >= ? AND slot < ?"
        states = """
            SELECT slot, max(round) AS round, max(verdict = 'accepted') AS accepted
            FROM sample WHERE slot >= ? AND slot < ? GROUP BY slot
        """
        planned = self.planned_rows()
        wanted = frozenset(range(self.layout.ledgers) if ledgers is None else ledgers)
        for start in range(0, planned, _SLOTS_A_READ):
            some = range(start, min(start + _SLOTS_A_READ, planned))
            slots: Sequence[int] = some
            if len(wanted) < self.layout.ledgers:
                slots = [slot for slot in some if self.layout.ledger_of(slot) in wanted]
            bounds = (some.start, some.stop)
            if sum(self._fetch(ledger, delivered, *bounds)[0][0] for ledger in wanted) == len(slots):
                continue
            last_round = {
                row["slot"]: max_rounds if row["accepted"] else row["round"]
                for ledger in wanted
                for row in self._fetch(ledger, states, *bounds)
            }
            for slot in slots:
                round = last_round.get(slot, -1) + 1
                if round <= max_rounds:
                    yield SampleKey(slot, round)

    def accepted_rows(self) -> Iterator[dict[str, Any]]:
        """The delivered rows in slot order, one for each accepted slot, as `samples` gives them."""
        ledgers = map(self._accepted_rows_of, range(self.layout.ledgers))
        return merge(*ledgers, key=lambda row: row["slot"])

    def _accepted_rows_of(self, ledger: int) -> Iterator[dict[str, Any]]:
        sql = (
            f"SELECT {_COLUMNS} FROM sample WHERE verdict = 'accepted' AND slot > ? AND slot < ?"  # noqa: S608
            " ORDER BY slot, round LIMIT ?"
        )
        planned = self.planned_rows()
        last_slot = -1
        while rows := self._fetch(ledger, sql, last_slot, planned, _ROWS_A_READ):
            for row in rows:
                if row["slot"] != last_slot:
                    yield self._parse(ledger, row)
                last_slot = row["slot"]

    def accepted_columns(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """``columns`` of the rows that `accepted_rows` gives, ledger by ledger, in slot order within each.

        For passes over a whole run: JSON stays text, and the checksum, which needs every cell, is not compared.
        """
        if unknown := set(columns) - set(ROW_COLUMNS):
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        sql = (
            f"SELECT slot, {', '.join(columns)} FROM sample"  # noqa: S608 - names of ours
            " WHERE verdict = 'accepted' AND slot > ? AND slot < ? ORDER BY slot, round LIMIT ?"
        )
        for ledger in range(self.layout.ledgers):
            last_slot = -1
            while rows := self._fetch(ledger, sql, last_slot, self._planned_rows, _ROWS_A_READ):
                for slot, *cells in rows:
                    if slot != last_slot:
                        yield tuple(from_cell(cell) if isinstance(cell, bytes) else cell for cell in cells)
                    last_slot = slot

    def scan_rows(self, ledger: int, start: int, stop: int, columns: Sequence[str]) -> Iterator[tuple[Any, ...] | None]:
        """``columns`` of a ledger's samples of the slots from ``start`` to before ``stop``, by slot and round.

        JSON stays text. ``None`` stands for a row that is not what was written.
        """
        pick = itemgetter(*map(ROW_COLUMNS.index, columns))
        sql = f"SELECT {_COLUMNS} FROM sample WHERE slot >= ? AND slot < ? ORDER BY slot, round"  # noqa: S608
        for first in range(start, stop, _SLOTS_A_PAGE):
            for row in self._fetch(ledger, sql, first, min(first + _SLOTS_A_PAGE, stop)):
                cells = tuple(row)
                if not is_whole(cells):
                    yield None
                    continue
                picked = pick(cells)
                if bytes in map(type, picked):
                    picked = tuple(from_cell(cell) if isinstance(cell, bytes) else cell for cell in picked)
                yield picked

    def samples(self, wanted: SampleFilter | None = None, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """Samples that pass the filter, by slot and round: every column with its JSON parsed, and ``trace_id``."""
        where, parameters = (wanted or SampleFilter()).where()
        first_slot, skipped = self._find_page(where, parameters, offset)
        sql = f"SELECT slot, round {_FROM_LISTING} WHERE {where} AND slot >= ? ORDER BY slot, round LIMIT ?"
        count = offset - skipped + limit
        keys = sorted(SampleKey(*row) for row in self._fetch_all(sql, *parameters, first_slot, count))
        return [row for key in keys[count - limit : count] if (row := self.sample(key)) is not None]

    def _find_page(self, where: str, parameters: list[str | bytes | None], offset: int) -> tuple[int, int]:
        """A slot not far before the sample number ``offset``, and how many samples come before that slot.

        Halving the slots costs one look at the index in all, for any number of ledgers.
        """
        if offset <= _SLOTS_A_PAGE:
            return 0, 0
        sql = f"SELECT count(*) AS samples {_FROM_LISTING} WHERE {where} AND slot >= ? AND slot < ?"
        low, skipped = 0, 0
        high = 1 + max(row[0] or 0 for row in self._fetch_all("SELECT max(slot) FROM sample"))
        while high - low > _SLOTS_A_PAGE:
            middle = (low + high) // 2
            samples = sum(row["samples"] for row in self._fetch_all(sql, *parameters, low, middle))
            if skipped + samples > offset:
                high = middle
            else:
                low, skipped = middle, skipped + samples
        return low, skipped

    def sample(self, key: SampleKey) -> dict[str, Any] | None:
        """One sample's row as `samples` gives it, or ``None`` when there is no such sample."""
        ledger = self.layout.ledger_of(key.slot)
        sql = f"SELECT {_COLUMNS} FROM sample WHERE slot = ? AND round = ?"  # noqa: S608
        rows = self._fetch(ledger, sql, key.slot, key.round)
        return self._parse(ledger, rows[0]) if rows else None

    def _parse(self, ledger: int, row: sqlite3.Row) -> dict[str, Any]:
        with readable_errors(self.path, ledger):
            return parse_row(row)

    def count_samples(self, wanted: SampleFilter | None = None) -> int:
        """How many samples pass the filter."""
        where, parameters = (wanted or SampleFilter()).where()
        sql = f"SELECT ifnull(sum(samples), 0) AS samples FROM total WHERE {where}"  # noqa: S608
        return sum(row["samples"] for row in self._fetch_all(sql, *parameters))

    def shown_sample(self, slot: int) -> SampleKey | None:
        """The sample that stands for ``slot``: its accepted round, otherwise its latest; ``None``: none yet."""
        sql = "SELECT round FROM sample WHERE slot = ? ORDER BY verdict = 'accepted' DESC, round DESC LIMIT 1"
        rows = self._fetch(self.layout.ledger_of(slot), sql, slot)
        return SampleKey(slot, rows[0]["round"]) if rows else None

    def trace(self, key: SampleKey) -> dict[str, Any] | None:
        """The whole `SampleRecord` as a dict with prompts in full; ``None``: no such sample, or it keeps no trace.

        Verdict, error class and ``duplicate_of`` are the row's: they are newer when a duplicate was found later.
        """
        ledger = self.layout.ledger_of(key.slot)
        sql = f"SELECT {_COLUMNS} FROM sample WHERE slot = ? AND round = ?"  # noqa: S608
        rows = self._fetch(ledger, sql, key.slot, key.round)
        if not rows:
            return None
        row = self._parse(ledger, rows[0])
        if rows[0]["trace_checksum"] is None:
            return None
        traces = self._fetch(
            ledger, "SELECT dictionary, blob FROM trace WHERE slot = ? AND round = ?", key.slot, key.round
        )
        if not traces or checksum_trace(*traces[0]) != rows[0]["trace_checksum"]:
            raise damaged(self.path, ledger, f"trace {key.trace_id}")
        try:
            record = self._decoders[ledger].decode(*traces[0])
        except ValueError as exc:
            raise damaged(self.path, ledger, f"trace {key.trace_id}: {exc}") from exc
        return record | {
            name: row[name] for name in ("verdict", "error_class", "grounding", "duplicate_of", "trace_id")
        }

    def tally(
        self, *columns: str, wanted: SampleFilter | None = None, ledgers: Collection[int] | None = None
    ) -> list[dict[str, Any]]:
        """Samples (every round counts) for each combination of ``columns``, which come from ``TOTAL_COLUMNS``.

        Args:
            columns: What is told apart.
            wanted: Which samples count.
            ledgers: Only those of these ledgers; ``None``: of all.

        Returns:
            The columns and ``samples`` of each group, ordered by the columns. One accepted sample is one delivered row.
        """
        if not columns or set(columns) - set(TOTAL_COLUMNS):
            raise ValueError(f"samples are counted by {', '.join(TOTAL_COLUMNS)}; not by {columns}")
        names = ", ".join(columns)
        where, parameters = (wanted or SampleFilter()).where()
        sql = f"SELECT {names}, sum(samples) AS samples FROM total WHERE {where} AND samples != 0 GROUP BY {names}"  # noqa: S608
        groups: dict[tuple[Any, ...], int] = {}
        for *values, samples in self._fetch_all(sql, *parameters, ledgers=ledgers):
            groups[tuple(values)] = groups.get(tuple(values), 0) + samples
        ordered = sorted(groups, key=lambda values: [_order(value) for value in values])
        return [dict(zip(columns, values, strict=True)) | {"samples": groups[values]} for values in ordered]

    def committed_after(self, ledger: int, last: SampleKey | None, limit: int = _ROWS_A_READ) -> list[SampleKey]:
        """Samples of one ledger in the order of their commits, from behind ``last``; ``None``: from the first."""
        # Row ids rise with commits.
        sql = """
            SELECT slot, round FROM sample
            WHERE rowid > coalesce((SELECT rowid FROM sample WHERE slot = ? AND round = ?), -1) ORDER BY rowid LIMIT ?
        """
        place = (None, None) if last is None else (last.slot, last.round)
        return [SampleKey(*row) for row in self._fetch(ledger, sql, *place, limit)]

    def committed_since(self, unix_s: float) -> dict[str, int]:
        """Samples by verdict that were committed at or after ``unix_s`` (Unix time in seconds)."""
        found: Counter[str] = Counter()
        for ledger in range(self.layout.ledgers):
            found.update(self._verdicts_since(ledger, unix_s))
        return dict(found)

    def _verdicts_since(self, ledger: int, unix_s: float) -> Iterator[str]:
        # Row ids rise with commits: walking back from the newest needs no index on time.
        sql = "SELECT rowid AS id, verdict, committed_at FROM sample WHERE rowid < ? ORDER BY rowid DESC LIMIT ?"
        last_id = 2**62
        while rows := self._fetch(ledger, sql, last_id, _ROWS_A_READ):
            for row in rows:
                if row["committed_at"] < unix_s:
                    return
                yield row["verdict"]
            last_id = rows[-1]["id"]


def _order(cell: Any) -> tuple[int, Any]:
    """Sorts cells as SQLite does: nothing, numbers, texts, blobs."""
    if cell is None:
        return 0, 0
    return 2 if isinstance(cell, str) else 3 if isinstance(cell, bytes) else 1, cell
