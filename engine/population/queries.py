"""Real queries: read to be counted. What is kept of them is never their text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.json_lines import read_arguments, read_content, read_json_lines

_ROW = '{"query": …, "function": …, "args": {…}}'


@dataclass(frozen=True, slots=True)
class RealQuery:
    """One line of the file.

    Attributes:
        line: 1-based line.
        query: What was typed or said.
        language: BCP 47 tag.
        function: What it calls; ``None``: nothing, or not known (see ``is_labelled``).
        is_labelled: Whether the line says what is called, be it nothing.
        arguments: Argument name → its values, in the order of the line; empty values are left out.
    """

    line: int
    query: str
    language: str = "en"
    function: str | None = None
    is_labelled: bool = False
    arguments: Mapping[str, tuple[str, ...]] | None = None

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the arguments, sorted."""
        return tuple(sorted(self.arguments or ()))


@dataclass(frozen=True, slots=True)
class QueryFile:
    """A file of real queries, and the SHA-256 (hex) of its bytes."""

    path: Path
    sha256: str
    queries: tuple[RealQuery, ...]


def read_queries(path: Path) -> QueryFile:
    """Read JSON lines: rows of a golden set, rows of a dataset, or queries alone.

    A row holds ``query``; ``function`` with ``args`` (or ``arguments``) where it is labelled, ``null`` where nothing is
    to be called; ``lang`` (or ``language``), without which it is ``en``. Other keys are not read.

    Raises:
        InputError: The file cannot be read, is empty, or has lines that are no such rows; the first 20 are named. The
            words of a fault never hold a query's.
    """
    content = read_content(path)
    return QueryFile(path, hashlib.sha256(content).hexdigest(), read_json_lines(path, content, _read_row, form=_ROW))


def _read_row(value: Any, number: int) -> RealQuery:
    if not isinstance(value, dict):
        raise ValueError("the line is no JSON object")
    query, function = value.get("query"), value.get("function")
    if not isinstance(query, str) or not any(map(str.isalnum, query)):
        raise ValueError("query is no text")
    if function is not None and not isinstance(function, str):
        raise ValueError("function is neither a name nor null")
    arguments = read_arguments(value) or {}
    read = {name: _texts(item) for name, item in arguments.items() if item not in (None, "", [])}
    language = value.get("lang", value.get("language", "en"))
    if not isinstance(language, str):
        raise ValueError("lang is no language tag")
    return RealQuery(number, query, language, function, "function" in value, read)


def _texts(value: Any) -> tuple[str, ...]:
    """An argument's value, or its several values."""
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
