"""Reads ``run.db`` while a run writes it: every read is short, so that the write-ahead log can be emptied behind it."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from routenator.engine.errors import RunError
from routenator.engine.ledger.rows import parse_row, to_cell
from routenator.engine.ledger.schema import (
    SAMPLE_COLUMNS,
    STRATUM_COLUMNS,
    connect_reader,
    readable_errors,
)
from routenator.engine.ledger.trace_codec import TraceDecoder, load_json
from routenator.engine.sample import SampleKey, Verdict

GROUP_COLUMNS = (*STRATUM_COLUMNS, "verdict", "template", "error_class", "round", "attempts", "endpoint", "model")
"""Columns that samples can be grouped by."""

_ROWS_A_READ = 2_000
_SLOTS_A_READ = 10_000
_COLUMNS = ", ".join(SAMPLE_COLUMNS)


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
    """A read-only view of the run at ``path``, for one thread.

    Raises:
        RunError: There is no run, or another version wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect_reader(path)
        self._decoder = TraceDecoder(
            lambda identifier: self._body("dictionary", identifier), lambda identifier: self._body("text", identifier)
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _fetch(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        with readable_errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def _body(self, table: str, identifier: int) -> bytes:
        rows = self._fetch(f"SELECT body FROM {table} WHERE id = ?", identifier)  # noqa: S608 - names of ours
        if not rows:
            raise RunError(f"{self.path}: {table} {identifier} is missing", hint="The run's database is damaged")
        body: bytes = rows[0]["body"]
        return body

    def meta(self) -> dict[str, Any]:
        """Everything in ``meta``: run_id, created_at, package_version, identity, planned_rows and what was added."""
        return {row["key"]: load_json(row["value"]) for row in self._fetch("SELECT key, value FROM meta")}

    def planned_rows(self) -> int:
        """Slots of the plan."""
        return int(self._fetch("SELECT value FROM meta WHERE key = 'planned_rows'")[0]["value"])

    def counts(self) -> Counts:
        """How the plan's slots stand. Reads only indexes: well under a second for a million slots."""
        planned = self.planned_rows()
        accepted = self._fetch(
            "SELECT count(DISTINCT slot) FROM sample WHERE verdict = 'accepted' AND slot < ?", planned
        )[0][0]
        sql = """
            SELECT verdict, count(*) AS slots FROM sample AS latest
            WHERE verdict IN ('rejected', 'failed') AND slot < ? AND NOT EXISTS (
                SELECT 1 FROM sample AS other WHERE other.slot = latest.slot
                AND (other.round > latest.round OR other.verdict = 'accepted')
            ) GROUP BY verdict
        """
        slots = {row["verdict"]: row["slots"] for row in self._fetch(sql, planned)}
        rejected, failed = slots.get("rejected", 0), slots.get("failed", 0)
        return Counts(planned, accepted, rejected, failed, planned - accepted - rejected - failed)

    def open_slots(self, max_rounds: int) -> Iterator[SampleKey]:
        """What is still to be done, in slot order: each slot without an accepted sample, with its next round.

        Lazy, in memory that does not grow with the plan; the first comes at once. A slot that is finished while the
        iterator is behind it is seen as finished.

        Args:
            max_rounds: Refill rounds; a slot whose rounds 0..``max_rounds`` are all used up is left out.
        """
        delivered = "SELECT count(DISTINCT slot) FROM sample WHERE verdict = 'accepted' AND slot >= ? AND slot < ?"
        states = """
            SELECT slot, max(round) AS round, max(verdict = 'accepted') AS accepted
            FROM sample WHERE slot >= ? AND slot < ? GROUP BY slot
        """
        planned = self.planned_rows()
        for start in range(0, planned, _SLOTS_A_READ):
            stop = min(start + _SLOTS_A_READ, planned)
            if self._fetch(delivered, start, stop)[0][0] == stop - start:
                continue
            last_round = {
                row["slot"]: max_rounds if row["accepted"] else row["round"] for row in self._fetch(states, start, stop)
            }
            for slot in range(start, stop):
                round = last_round.get(slot, -1) + 1
                if round <= max_rounds:
                    yield SampleKey(slot, round)

    def accepted_rows(self) -> Iterator[dict[str, Any]]:
        """The delivered rows in slot order, one for each accepted slot, as `samples` gives them."""
        sql = (
            f"SELECT {_COLUMNS} FROM sample WHERE verdict = 'accepted' AND slot > ? AND slot < ?"  # noqa: S608
            " ORDER BY slot, round LIMIT ?"
        )
        planned = self.planned_rows()
        last_slot = -1
        while rows := self._fetch(sql, last_slot, planned, _ROWS_A_READ):
            for row in rows:
                if row["slot"] != last_slot:
                    yield parse_row(row)
                last_slot = row["slot"]

    def samples(self, wanted: SampleFilter | None = None, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """Samples that pass the filter, by slot and round: every column with its JSON parsed, and ``trace_id``."""
        where, parameters = (wanted or SampleFilter()).where()
        sql = f"SELECT {_COLUMNS} FROM sample WHERE {where} ORDER BY slot, round LIMIT ? OFFSET ?"  # noqa: S608
        return [parse_row(row) for row in self._fetch(sql, *parameters, limit, offset)]

    def count_samples(self, wanted: SampleFilter | None = None) -> int:
        """How many samples pass the filter."""
        where, parameters = (wanted or SampleFilter()).where()
        return int(self._fetch(f"SELECT count(*) FROM sample WHERE {where}", *parameters)[0][0])  # noqa: S608

    def shown_sample(self, slot: int) -> SampleKey | None:
        """The sample that stands for ``slot``: its accepted round, otherwise its latest; ``None``: none yet."""
        sql = "SELECT round FROM sample WHERE slot = ? ORDER BY verdict = 'accepted' DESC, round DESC LIMIT 1"
        rows = self._fetch(sql, slot)
        return SampleKey(slot, rows[0]["round"]) if rows else None

    def trace(self, key: SampleKey) -> dict[str, Any] | None:
        """The whole `SampleRecord` as a dict with prompts in full, or ``None`` when there is no such sample.

        Verdict, error class and ``duplicate_of`` are the row's: they are newer when a duplicate was found later.
        """
        sql = f"""
            SELECT {", ".join(f"sample.{column}" for column in SAMPLE_COLUMNS)}, trace.dictionary, trace.blob
            FROM sample JOIN trace USING (slot, round) WHERE slot = ? AND round = ?
        """  # noqa: S608
        rows = self._fetch(sql, key.slot, key.round)
        if not rows:
            return None
        *cells, dictionary, blob = rows[0]
        row = parse_row(cells)
        try:
            record = self._decoder.decode(dictionary, blob)
        except ValueError as exc:
            raise RunError(f"{self.path}: trace {key.trace_id} is damaged: {exc}") from exc
        return record | {
            name: row[name] for name in ("verdict", "error_class", "grounding", "duplicate_of", "trace_id")
        }

    def tally(self, *columns: str, wanted: SampleFilter | None = None) -> list[dict[str, Any]]:
        """Samples (every round counts) for each combination of ``columns``, which come from `GROUP_COLUMNS`.

        Returns:
            The columns and ``samples`` of each group, ordered by the columns. One accepted sample is one delivered row.
        """
        names = _checked(columns)
        where, parameters = (wanted or SampleFilter()).where()
        sql = f"SELECT {names}, count(*) AS samples FROM sample WHERE {where} GROUP BY {names} ORDER BY {names}"  # noqa: S608
        return [dict(row) for row in self._fetch(sql, *parameters)]

    def usage(self, *columns: str) -> list[dict[str, Any]]:
        """Cost of each combination of ``columns``: samples, attempts, tokens and milliseconds, summed."""
        if "attempts" in columns:
            raise ValueError("attempts are summed here; group them with tally")
        names = _checked(columns)
        summed = ("attempts", "prompt_tokens", "completion_tokens", "judge_prompt_tokens", "judge_completion_tokens")
        sums = ", ".join(f"sum({name}) AS {name}" for name in summed)
        sql = f"""
            SELECT {names}, count(*) AS samples, {sums}, sum(duration_ms) AS duration_ms
            FROM sample GROUP BY {names} ORDER BY {names}
        """  # noqa: S608
        return [dict(row) for row in self._fetch(sql)]

    def rejection_reasons(self, column: str = "route") -> list[dict[str, Any]]:
        """How often each ``source:code`` was found, over all attempts, for each value of ``column``; often first."""
        name = _checked((column,))
        sql = f"""
            SELECT {name}, reason.value AS reason, count(*) AS findings
            FROM sample, json_each(sample.reasons) AS reason
            WHERE reasons != '[]' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2
        """  # noqa: S608
        return [dict(row) for row in self._fetch(sql)]

    def node_latency(self) -> dict[str, dict[str, float]]:
        """Node → milliseconds a sample spends in it: ``samples``, ``mean_ms``, ``p50_ms``, ``p95_ms``, ``max_ms``."""
        durations: dict[str, array[float]] = {}
        last_id = -1
        sql = "SELECT rowid AS id, node_ms FROM sample WHERE rowid > ? ORDER BY rowid LIMIT ?"
        while rows := self._fetch(sql, last_id, _SLOTS_A_READ):
            for row in rows:
                for node, ms in load_json(row["node_ms"]).items():
                    durations.setdefault(node, array("d")).append(ms)
            last_id = rows[-1]["id"]
        return {node: _summary(sorted(values)) for node, values in sorted(durations.items())}

    def committed_since(self, unix_s: float) -> dict[str, int]:
        """Samples by verdict that were committed at or after ``unix_s`` (Unix time in seconds)."""
        # Row ids rise with commits: walking back from the newest needs no index on time.
        sql = "SELECT rowid AS id, verdict, committed_at FROM sample WHERE rowid < ? ORDER BY rowid DESC LIMIT ?"
        found: dict[str, int] = {}
        last_id = 2**62
        while rows := self._fetch(sql, last_id, _ROWS_A_READ):
            for row in rows:
                if row["committed_at"] < unix_s:
                    return found
                found[row["verdict"]] = found.get(row["verdict"], 0) + 1
            last_id = rows[-1]["id"]
        return found


def _checked(columns: tuple[str, ...]) -> str:
    """Comma-separated names, each of which is one of ours: they go into SQL."""
    if not columns:
        raise ValueError("name at least one column")
    for column in columns:
        if column not in GROUP_COLUMNS:
            raise ValueError(f"cannot group by {column!r}; the columns are {', '.join(GROUP_COLUMNS)}")
    return ", ".join(columns)


def _summary(values: list[float]) -> dict[str, float]:
    count = len(values)
    return {
        "samples": count,
        "mean_ms": sum(values) / count,
        "p50_ms": values[count // 2],
        "p95_ms": values[min(count - 1, count * 95 // 100)],
        "max_ms": values[-1],
    }
