"""Files of JSON lines that people give: each faulty line is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from routenator.engine.errors import Fault, InputError

Row = TypeVar("Row")
MOST_FAULTS = 20
"""Faulty lines that are named."""


def read_content(path: Path, wanted: str = "a file of JSON lines") -> bytes:
    """What is in the file.

    Args:
        path: The file.
        wanted: What to give, where it cannot be read.

    Raises:
        InputError: It cannot.
    """
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError([Fault(str(path), f"cannot be read ({exc.strerror})", f"Give {wanted}")]) from None


def read_json_lines(
    path: Path,
    content: bytes,
    read_row: Callable[[Any, int], Row],
    *,
    form: str,
    if_empty: str = "Give a file of JSON lines with a query each",
) -> tuple[Row, ...]:
    """Read a row from each line that is not blank.

    Args:
        path: The file, for its name.
        content: Its bytes.
        read_row: Takes a line's value and its number, from 1; raises `ValueError` with what is wrong.
        form: What a line looks like, for a faulty one.
        if_empty: What to do about a file without rows.

    Raises:
        InputError: The file is empty, or has lines that are no such rows: the first are named, by nothing but what
            ``read_row`` says.
    """
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            faults.append(Fault(str(path), "the line is not valid JSON", f"Write {form}", line=number))
            continue
        try:
            rows.append(read_row(value, number))
        except ValueError as exc:
            faults.append(Fault(str(path), str(exc), f"Write {form}", line=number))
    if faults:
        raise InputError(faults[:MOST_FAULTS])
    if not rows:
        raise InputError([Fault(str(path), "holds no rows", if_empty)])
    return tuple(rows)


def read_arguments(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of a call, ``args`` or ``arguments``; ``None`` where the row has none.

    An object, or its JSON text: so do the rows of a dataset hold them.

    Raises:
        ValueError: Neither.
    """
    arguments = row.get("args", row.get("arguments"))
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments)
        except ValueError:
            raise ValueError("args is no JSON") from None
    if arguments is not None and not isinstance(arguments, dict):
        raise ValueError("args is no object")
    return arguments
