"""Golden sets: real queries with the call that answers each. Read for evaluation, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from routenator.engine.errors import Fault, InputError
from routenator.engine.evaluation.calls import NO_CALL, Call

_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """One query and its call; ``call`` is ``None`` where nothing is to be called."""

    id: str
    query: str
    call: Call | None
    language: str = "en"

    @property
    def label(self) -> str:
        """The function, or `NO_CALL`."""
        return self.call.function if self.call else NO_CALL


def load_golden(path: Path) -> tuple[GoldenRow, ...]:
    """Read a golden set: JSON lines ``{"id", "lang", "query", "function", "args"}``.

    ``function`` may be null; ``id`` and ``lang`` may be left out (the line's number, ``en``).

    Raises:
        InputError: The file cannot be read, is empty, or has lines that are no such rows; the first 20 are named.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise InputError([Fault(str(path), f"cannot be read ({exc.strerror})", "Give a file of JSON lines")]) from None
    rows: list[GoldenRow] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = _read_row(orjson.loads(line), number)
        except ValueError as exc:
            faults.append(Fault(str(path), str(exc), 'Write {"query": …, "function": …, "args": {…}}', line=number))
            continue
        if row.id in seen:
            fault = Fault(str(path), f"id {row.id} stands on line {seen[row.id]} too", "Ids are unique", line=number)
            faults.append(fault)
        seen[row.id] = number
        rows.append(row)
    if faults:
        raise InputError(faults[:_MOST_FAULTS])
    if not rows:
        raise InputError([Fault(str(path), "holds no rows", "Give a file of JSON lines with a query each")])
    return tuple(rows)


def _read_row(value: Any, number: int) -> GoldenRow:
    if not isinstance(value, dict):
        raise ValueError("the line is no JSON object")
    query, function, arguments = value.get("query"), value.get("function"), value.get("args")
    if not isinstance(query, str) or not query.strip():
        raise ValueError("query is no text")
    if function is not None and not isinstance(function, str):
        raise ValueError("function is neither a name nor null")
    if arguments is not None and not isinstance(arguments, dict):
        raise ValueError("args is no object")
    call = None if function is None else Call(function, arguments or {})
    row_id = value.get("id")
    return GoldenRow(str(number if row_id is None else row_id), query, call, str(value.get("lang") or "en"))
