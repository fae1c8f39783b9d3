"""Repair a damaged run: what is whole is copied into new files, sample by sample, and the damaged ones are kept."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from routenator.engine.errors import NoRunError, RunError
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.rows import INSERT_SAMPLE, checksum_trace, is_whole
from routenator.engine.ledger.run_directory import take_lock
from routenator.engine.ledger.schema import (
    ROW_COLUMNS,
    connect_file,
    connect_reader,
    create_tables,
    database_path,
    read_meta,
    write_meta,
)
from routenator.engine.ledger.totals import find_wrong_total
from routenator.engine.ledger.trace_codec import TraceDecoder

_ROWS_A_READ = 500
_SMALLEST_ROW_BYTES = 200
_FILE_SUFFIXES = ("", "-wal")
_TRACE_CHECKSUM = ROW_COLUMNS.index("trace_checksum")


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done to one ledger.

    Attributes:
        database: Its file.
        fault: The first thing that was wrong; ``None``: the file is whole and was left alone.
        kept: Samples that are there now.
        lost: Samples that were there before; ``None`` where the file is gone or does not tell any more.
        blocks: The slots whose samples this ledger holds; those without a sample that is kept run again.
        damaged_copy: Where the damaged file is now, or ``None``.
    """

    database: Path
    fault: str | None
    kept: int
    lost: int | None
    blocks: tuple[range, ...]
    damaged_copy: Path | None


def repair_run(path: Path) -> list[Repair]:
    """Check every ledger of the run at ``path`` and replace those that are damaged by what is whole of them.

    A sample and its trace belong together: where one is lost the other is dropped. The slots of lost samples are open
    again.

    Raises:
        RunError: There is no run, it is in use, or what says which run it is cannot be read.
    """
    if not database_path(path).is_file():
        raise NoRunError(f"no run at {path}", hint="Check the path of the run")
    lock = take_lock(path)
    try:
        try:
            with closing(connect_reader(path)) as connection:
                meta = read_meta(connection)
        except (sqlite3.Error, ValueError) as exc:
            raise _beyond_repair(path, exc) from exc
        except RunError as exc:
            if exc.__cause__ is None:  # empty, or of another version
                raise
            raise _beyond_repair(path, exc.__cause__) from exc
        layout = Layout(**meta["layout"])
        metas = [meta] + [{"run_id": meta["run_id"], "ledger": ledger} for ledger in range(1, layout.ledgers)]
        return [
            _repair_ledger(
                database_path(path, ledger), metas[ledger], tuple(layout.blocks(ledger, meta["planned_rows"]))
            )
            for ledger in range(layout.ledgers)
        ]
    finally:
        os.close(lock)


def _beyond_repair(path: Path, cause: BaseException | None) -> RunError:
    return RunError(
        f"{database_path(path)} cannot be repaired: what says which run it is cannot be read ({cause})",
        hint="Restore it from a copy, or start a new run in another directory",
    )


def _repair_ledger(database: Path, meta: dict[str, Any], blocks: tuple[range, ...]) -> Repair:
    fault: str | None
    lost: int | None
    if not database.is_file():
        fault, kept, lost = "the file is missing", 0, None
    else:
        with closing(connect_file(database)) as source:
            fault, kept, lost = _salvage(source, None, meta)
        if fault is None:
            return Repair(database, None, kept, 0, blocks, None)
    salvaged = database.with_name(f"{database.name}.salvaged")
    for suffix in ("", "-journal"):  # of a repair that was killed
        salvaged.with_name(salvaged.name + suffix).unlink(missing_ok=True)
    with closing(sqlite3.connect(salvaged, isolation_level=None)) as target:
        target.execute("BEGIN")
        create_tables(target)
        write_meta(target, meta)
        if database.is_file():
            with closing(connect_file(database)) as source:
                _, kept, lost = _salvage(source, target, meta)
        target.execute("COMMIT")
    return Repair(database, fault, kept, lost, blocks, _swap(database, salvaged))


def _salvage(
    source: sqlite3.Connection, target: sqlite3.Connection | None, meta: dict[str, Any]
) -> tuple[str | None, int, int | None]:
    """Copy what is whole into ``target``, or only look; the first fault, and how many samples are kept and lost."""
    fault = _find_fault(source, meta)
    insert = target.execute if target is not None else _insert_nothing
    bodies: dict[str, dict[int, bytes]] = {"dictionary": {}, "text": {}}
    for identifier, body, checksum in _walk(source, "dictionary", "body, checksum"):
        if isinstance(body, bytes) and zlib.crc32(body) == checksum:
            insert("INSERT INTO dictionary VALUES (?, ?, ?)", (identifier, body, checksum))
            bodies["dictionary"][identifier] = body
        else:
            fault = fault or f"dictionary {identifier}"
    for identifier, sha256, body in _walk(source, "text", "sha256, body"):
        if _is_text(sha256, body):
            insert("INSERT INTO text VALUES (?, ?, ?)", (identifier, sha256, body))
            bodies["text"][identifier] = body
        else:
            fault = fault or f"text {identifier}"
    # Only where a body is lost, now or in an earlier repair, does it matter what each trace refers to.
    decoder = None
    if any(len(bodies[table]) < _furthest_rowid(source, table) for table in bodies):
        decoder = TraceDecoder(bodies["dictionary"].__getitem__, bodies["text"].__getitem__)
    kept = 0
    for _, *row in _walk(source, "sample", ", ".join(ROW_COLUMNS)):
        if not is_whole(row):
            fault = fault or f"the row of sample {row[0]}.{row[1]}"
            continue
        trace = None
        if row[_TRACE_CHECKSUM] is not None:
            trace = _find_trace(source, row, decoder)
            if trace is None:
                fault = fault or f"trace {row[0]}.{row[1]}"
                continue
        insert(INSERT_SAMPLE, row)
        kept += 1
        if trace is not None:
            sql = "INSERT INTO trace (slot, round, dictionary, blob) VALUES (?, ?, ?, ?)"
            insert(sql, (row[0], row[1], *trace))
    last = _last_rowid(source, "sample")
    lost = None if last is None else max(0, last - kept)
    if lost != 0:
        fault = fault or "samples are missing"
    return fault, kept, lost


def _insert_nothing(sql: str, parameters: Any) -> None:
    pass


def _find_fault(source: sqlite3.Connection, meta: dict[str, Any]) -> str | None:
    try:
        if read_meta(source) != meta:
            return "it belongs to another run"
        (verdict,) = source.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            return str(verdict).strip().splitlines()[-1]
        orphans = "SELECT slot, round FROM trace EXCEPT SELECT slot, round FROM sample LIMIT 1"
        if (orphan := source.execute(orphans).fetchone()) is not None:
            return f"trace {orphan[0]}.{orphan[1]} has no row"
        return find_wrong_total(source)
    except (sqlite3.Error, ValueError) as exc:
        return str(exc)


def _find_trace(
    source: sqlite3.Connection, row: list[Any], decoder: TraceDecoder | None
) -> tuple[int | None, bytes] | None:
    """Dictionary id and blob of the row's trace, or ``None`` when it is lost; ``decoder`` tries what it refers to."""
    sql = "SELECT dictionary, blob FROM trace WHERE slot = ? AND round = ?"
    try:
        found = source.execute(sql, (row[0], row[1])).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    if found is None or not isinstance(found[1], bytes) or checksum_trace(*found) != row[_TRACE_CHECKSUM]:
        return None
    if decoder is not None:
        try:
            decoder.decode(*found)
        except (KeyError, ValueError):
            return None
    return found[0], found[1]


def _is_text(sha256: Any, body: Any) -> bool:
    try:
        return bool(hashlib.sha256(zstandard.decompress(body)).digest() == sha256)
    except (TypeError, zstandard.ZstdError):
        return False


def _walk(source: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...]]:
    """Rows by row id, with the id first, stepping over what cannot be read."""
    many = f"SELECT rowid, {columns} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {_ROWS_A_READ}"  # noqa: S608
    one = f"SELECT rowid, {columns} FROM {table} WHERE rowid = ?"  # noqa: S608
    last = 0
    while True:
        try:
            rows = source.execute(many, (last,)).fetchall()
            if not rows:
                return
            following = max(row[0] for row in rows)
        except (sqlite3.Error, UnicodeDecodeError):
            rows = []
            following = min(last + _ROWS_A_READ, _furthest_rowid(source, table))
            for rowid in range(last + 1, following + 1):
                try:
                    rows += source.execute(one, (rowid,)).fetchall()
                except (sqlite3.Error, UnicodeDecodeError):
                    continue
        if following <= last:
            return
        yield from rows
        last = following


def _last_rowid(source: sqlite3.Connection, table: str) -> int | None:
    """How far row ids go; they have no gaps. Where the table cannot say, its indexes may; ``None``: nothing tells."""
    questions = [f"SELECT max(rowid) FROM {table}"]  # noqa: S608
    if table == "sample":
        questions += [
            f"SELECT max(rowid) FROM sample INDEXED BY {index}"  # noqa: S608
            for index in ("sample_listing", "sample_verdict")
        ]
    for question in questions:
        try:
            return int(source.execute(question).fetchone()[0] or 0)
        except (sqlite3.Error, ValueError):
            continue
    return None


def _furthest_rowid(source: sqlite3.Connection, table: str) -> int:
    """How far row ids go; where nothing tells, how far the file's size lets them go."""
    last = _last_rowid(source, table)
    if last is not None:
        return last
    try:
        (pages,), (page_bytes,) = (source.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    except (sqlite3.Error, UnicodeDecodeError):
        return 0
    return int(pages * page_bytes // _SMALLEST_ROW_BYTES)


def _swap(database: Path, salvaged: Path) -> Path | None:
    """Put the salvaged file in the place of the damaged one, which is kept beside it under the name returned."""
    number = 1
    while (kept := database.with_name(f"{database.name}.damaged-{number}")).exists():
        number += 1
    had_file = database.exists()
    for suffix in _FILE_SUFFIXES:
        if (file := database.with_name(database.name + suffix)).exists():
            os.link(file, kept.with_name(kept.name + suffix))
    # A log of the damaged file must not be there when the new one takes its name: SQLite would play it back.
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    salvaged.replace(database)
    descriptor = os.open(database.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept if had_file else None
