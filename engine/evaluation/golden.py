"""Golden sets: real queries with the call that answers each. Read for evaluation, and for nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.evaluation.calls import NO_CALL, Call
from routenator.engine.json_lines import read_arguments, read_content, read_json_lines


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


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """A golden set, and the SHA-256 (hex) of its file's bytes."""

    path: Path
    sha256: str
    rows: tuple[GoldenRow, ...]


def load_golden(path: Path) -> GoldenSet:
    """Read a golden set: JSON lines ``{"id", "lang", "query", "function", "args"}``.

    ``function`` may be null (no call); ``id`` and ``lang`` may be left out (the line's number, ``en``). ``arguments``,
    an object or its JSON text, and ``language`` are read as well: so do the rows of a dataset call them.

    Raises:
        InputError: The file cannot be read, is empty, or has lines that are no such rows; the first 20 are named.
    """
    seen: dict[str, int] = {}

    def read_row(value: Any, number: int) -> GoldenRow:
        row = _read_row(value, number)
        if row.id in seen:
            raise ValueError(f"id {row.id} stands on line {seen[row.id]} too: ids are unique")
        seen[row.id] = number
        return row

    content = read_content(path)
    rows = read_json_lines(path, content, read_row, form='{"query": …, "function": …, "args": {…}}')
    return GoldenSet(path, hashlib.sha256(content).hexdigest(), rows)


def _read_row(value: Any, number: int) -> GoldenRow:
    if not isinstance(value, dict):
        raise ValueError("the line is no JSON object")
    query = value.get("query")
    if not isinstance(query, str) or not query.strip():
        raise ValueError("query is no text")
    if "function" not in value:
        raise ValueError("function is missing: a row that wants no call says null")
    function = value["function"]
    if function is not None and not isinstance(function, str):
        raise ValueError("function is neither a name nor null")
    arguments = read_arguments(value) or {}
    call = None if function is None else Call(function, arguments)
    row_id, language = value.get("id"), value.get("lang") or value.get("language") or "en"
    return GoldenRow(str(number if row_id is None else row_id), query, call, str(language))
