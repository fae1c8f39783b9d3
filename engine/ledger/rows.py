"""A sample's row: how it is cut from a record, and how it is read back.

SQLite's pages carry no checksums, so each row carries its own, over all its cells, and that of its trace.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from routenator.engine.ledger.schema import JSON_COLUMNS, ROW_COLUMNS, SAMPLE_COLUMNS, DamagedRowError
from routenator.engine.ledger.trace_codec import dump_json, load_json
from routenator.engine.sample import AXES, SampleKey, SampleRecord

Cell = str | bytes | int | float | None

INSERT_SAMPLE = (
    f"INSERT INTO sample ({', '.join(ROW_COLUMNS)}) VALUES ({', '.join('?' * len(ROW_COLUMNS))})"  # noqa: S608
    " ON CONFLICT (slot, round) DO NOTHING"
)


def checksum_row(cells: Sequence[Cell]) -> int:
    """CRC-32 of a row's cells but for the last, the checksum itself."""
    # ascii() writes the same characters whatever the Python version's Unicode tables.
    return zlib.crc32(ascii(tuple(cells[: len(ROW_COLUMNS) - 1])).encode())


def checksum_trace(dictionary_id: int | None, blob: bytes) -> int:
    """CRC-32 of a trace."""
    return zlib.crc32(blob, dictionary_id or 0)


def to_cell(text: str | None) -> str | bytes | None:
    """``text`` for a text column; text that is not UTF-8 becomes a blob."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_cell(cell: str | bytes | None) -> str | None:
    """The text that `to_cell` was given."""
    return cell.decode("utf-8", "surrogatepass") if isinstance(cell, bytes) else cell


def _json_cell(value: Any) -> str | bytes | None:
    if value is None:
        return None
    data = dump_json(value)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def build_row(
    record: SampleRecord, committed_at: float, dictionary_id: int | None = None, blob: bytes | None = None
) -> tuple[Cell, ...]:
    """The sample's row, in the order of ``ROW_COLUMNS``.

    Args:
        record: The finished sample.
        committed_at: Unix time in seconds.
        dictionary_id: What ``blob`` is compressed with; ``None``: with nothing else.
        blob: Its trace, or ``None`` when none is kept.
    """
    reasons: list[str] = []
    prompt_tokens = completion_tokens = judge_prompt_tokens = judge_completion_tokens = 0
    endpoint = model = None
    for attempt in record.attempts:
        if attempt.error_class is not None:
            reasons.append(f"error:{attempt.error_class}")
        if attempt.critique is not None:
            # An attempt without a candidate is criticised for its own error: that is one reason, not two.
            reasons += [
                f"{finding.source}:{finding.code}"
                for finding in attempt.critique.findings
                if finding.source != "parse" or finding.code != attempt.error_class
            ]
        if (completion := attempt.completion) is not None:
            endpoint, model = completion.endpoint, completion.model
            prompt_tokens += completion.prompt_tokens
            completion_tokens += completion.completion_tokens
        for completion in attempt.judge_completions:
            judge_prompt_tokens += completion.prompt_tokens
            judge_completion_tokens += completion.completion_tokens
    node_ms: defaultdict[str, float] = defaultdict(float)
    for span in record.spans:
        node_ms[span.node] += span.duration_ms
    candidate = record.candidate
    cells = (
        record.key.slot,
        record.key.round,
        record.verdict,
        *(to_cell(getattr(record.stratum, axis)) for axis in AXES),
        to_cell(record.template),
        to_cell(candidate.query) if candidate else None,
        _json_cell(candidate.arguments) if candidate else None,
        _json_cell(record.grounding),
        record.error_class,
        to_cell(record.error),
        _json_cell(reasons),
        len(record.attempts),
        prompt_tokens,
        completion_tokens,
        judge_prompt_tokens,
        judge_completion_tokens,
        to_cell(endpoint),
        to_cell(model),
        record.started_at,
        committed_at,
        float(record.duration_ms),
        _json_cell({node: round(ms, 3) for node, ms in node_ms.items()}),
        None,
        None if blob is None else checksum_trace(dictionary_id, blob),
    )
    return (*cells, checksum_row(cells))


def is_whole(row: Sequence[Cell]) -> bool:
    """Whether a row of ``ROW_COLUMNS`` is what was written."""
    return checksum_row(row) == row[-1]


def parse_row(row: Sequence[Any]) -> dict[str, Any]:
    """``SAMPLE_COLUMNS`` of a row of ``ROW_COLUMNS`` with their JSON parsed, and ``trace_id``.

    Raises:
        DamagedRowError: It is not what was written.
    """
    if not is_whole(row):
        raise DamagedRowError(f"the row of sample {row[0]}.{row[1]}")
    values: dict[str, Any] = {
        column: from_cell(cell) if isinstance(cell, bytes) else cell
        for column, cell in zip(SAMPLE_COLUMNS, row)  # noqa: B905 - the checksums are left over
    }
    for column in JSON_COLUMNS:
        if values[column] is not None:
            values[column] = load_json(values[column])
    values["trace_id"] = SampleKey(values["slot"], values["round"]).trace_id
    return values


def mark_duplicate(connection: sqlite3.Connection, key: SampleKey, error_class: str, duplicate_of: str) -> bool:
    """Turn an accepted sample into a rejected one, inside the caller's transaction; whether it was accepted.

    Raises:
        DamagedRowError: Its row is not what was written.
    """
    condition = "WHERE slot = ? AND round = ? AND verdict = 'accepted'"
    cells = connection.execute(
        f"SELECT {', '.join(ROW_COLUMNS)} FROM sample {condition}",  # noqa: S608
        (key.slot, key.round),
    ).fetchone()
    if cells is None:
        return False
    if not is_whole(cells):
        raise DamagedRowError(f"the row of sample {key.trace_id}")
    changed = {"verdict": "rejected", "error_class": error_class, "duplicate_of": duplicate_of}
    row = [changed.get(column, cell) for column, cell in zip(ROW_COLUMNS, cells, strict=True)]
    connection.execute(
        "UPDATE sample SET verdict = ?, error_class = ?, duplicate_of = ?, checksum = ? WHERE slot = ? AND round = ?",
        (*changed.values(), checksum_row(row), key.slot, key.round),
    )
    return True
