"""A sidecar file for an image folder: file, title, keywords, type, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.display import show
from routenator.engine.domain.json_source import refuse_constant, refuse_duplicate_keys
from routenator.engine.errors import DomainError, Fault
from routenator.engine.yaml_source import read_text

SIDECAR_NAMES = ("metadata.csv", "metadata.jsonl")
MAX_SIDECAR_BYTES = 100_000_000

_COLUMNS = ("file", "title", "keywords", "type")


@dataclass(frozen=True, slots=True)
class SidecarEntry:
    """What the sidecar says of one file; empty where it is silent."""

    title: str = ""
    keywords: tuple[str, ...] = ()
    type: str = ""


def read_sidecar(path: Path) -> dict[str, SidecarEntry]:
    """File name (POSIX, relative to the image folder) → entry.

    Raises:
        DomainError: With every fault and its line.
    """
    faults: list[Fault] = []
    text = read_text(path, DomainError, MAX_SIDECAR_BYTES)
    rows = _read_csv if path.suffix.lower() == ".csv" else _read_jsonl
    entries: dict[str, SidecarEntry] = {}
    for line, row in rows(text, str(path), faults):
        for key in row.keys() - set(_COLUMNS):
            message = f"unknown column {show(key)!r}"
            faults.append(Fault(str(path), message, f"Use {', '.join(_COLUMNS)}", line, key))
        file = row.get("file")
        if not isinstance(file, str) or not file:
            faults.append(Fault(str(path), "the entry names no file", "Give its path in the folder", line, "file"))
            continue
        keywords = row.get("keywords") or ()
        if isinstance(keywords, str):
            keywords = keywords.split("|")
        texts = (row.get("title") or "", row.get("type") or "", *keywords)
        if not isinstance(keywords, list | tuple) or not all(isinstance(value, str) for value in texts):
            fix = "Write title and type as text, keywords as text separated by | or as a list of texts"
            faults.append(Fault(str(path), "a value is not text", fix, line))
            continue
        name = file.removeprefix("./")
        if name in entries:
            faults.append(Fault(str(path), f"{show(name)!r} is given twice", "Keep one of them", line, "file"))
        entries[name] = SidecarEntry(texts[0], tuple(keywords), texts[1])
    if faults:
        raise DomainError(faults)
    return entries


def _read_csv(text: str, file: str, faults: list[Fault]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if "file" not in header or len(set(header)) != len(header):
            message = f"the header is {show(','.join(header))[:200]!r}"
            faults.append(Fault(file, message, f"Name each of {', '.join(_COLUMNS)} at most once, file at least", 1))
            return
        for row in reader:
            if len(row) == len(header):
                yield reader.line_num, dict(zip(header, (field.strip() for field in row), strict=True))
            elif row:
                message = f"the row has {len(row)} fields, the header has {len(header)}"
                faults.append(Fault(file, message, "Quote a field that holds a comma", reader.line_num))
    except csv.Error as exc:
        faults.append(Fault(file, f"not valid CSV: {exc}", "Correct the quoting", reader.line_num))


def _read_jsonl(text: str, file: str, faults: list[Fault]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=refuse_duplicate_keys, parse_constant=refuse_constant)
        except (ValueError, RecursionError) as exc:
            faults.append(Fault(file, f"not valid JSON: {exc}", "Write one JSON object on each line", number))
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            faults.append(Fault(file, "the line is not a JSON object", "Write one on each line", number))
