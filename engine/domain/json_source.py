"""Read a pack's JSON strictly, and know the line of every key: the twin of `routenator.engine.yaml_source`."""

from __future__ import annotations

import json
import re
from typing import Any

from routenator.engine.errors import DomainError, Fault
from routenator.engine.yaml_source import FieldPath, YamlSource

_SPACE = re.compile(r"[ \t\r\n]*")
_MAX_DEPTH = 100


def refuse_constant(name: str) -> float:
    """``parse_constant`` hook for `json.loads`: NaN and the infinities are no JSON."""
    raise ValueError(f"{name} is not JSON")


_SCALARS = json.JSONDecoder(parse_constant=refuse_constant)


def parse_json(text: str, file: str) -> YamlSource:
    """Parse ``text`` with duplicate keys, NaN and Infinity refused.

    Raises:
        DomainError: With the line; every duplicate key is listed.
    """
    faults: list[Fault] = []
    lines: dict[FieldPath, int] = {}
    parser = _Parser(text, file, lines, faults)
    try:
        data, end = parser.value(0, ())
        if parser.skip(end) != len(text):
            raise json.JSONDecodeError("Extra data", text, parser.skip(end))
    except json.JSONDecodeError as exc:
        fault = Fault(file, f"not valid JSON: {exc.msg}, column {exc.colno}", "Correct the syntax", exc.lineno)
        raise DomainError([*faults, fault]) from None
    except ValueError as exc:
        raise DomainError([*faults, Fault(file, f"not valid JSON: {exc}", "Correct the syntax")]) from None
    if faults:
        raise DomainError(faults)
    return YamlSource(file, data, lines)


def refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """``object_pairs_hook`` for `json.loads`.

    Raises:
        ValueError: A key is given twice.
    """
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} is given twice")
    return mapping


class _Parser:
    """Recursive descent over objects and arrays; strings and numbers are left to the standard library."""

    def __init__(self, text: str, file: str, lines: dict[FieldPath, int], faults: list[Fault]) -> None:
        self.text = text
        self.file = file
        self.lines = lines
        self.faults = faults

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return at if match is None else match.end()

    def value(self, at: int, path: FieldPath) -> tuple[Any, int]:
        at = self.skip(at)
        self.lines.setdefault(path, self.text.count("\n", 0, at) + 1)
        if len(path) > _MAX_DEPTH:
            raise json.JSONDecodeError("Nested too deeply", self.text, at)
        opening = self.text[at : at + 1]
        if opening == "{":
            return self.object(at + 1, path)
        if opening == "[":
            return self.array(at + 1, path)
        try:
            return _SCALARS.raw_decode(self.text, at)
        except json.JSONDecodeError:
            raise
        except ValueError as exc:
            raise json.JSONDecodeError(str(exc), self.text, at) from None

    def array(self, at: int, path: FieldPath) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self.skip(at)
        if self.text.startswith("]", at):
            return items, at + 1
        while True:
            item, at = self.value(at, (*path, len(items)))
            items.append(item)
            more, at = self.separator(at, "]")
            if not more:
                return items, at

    def object(self, at: int, path: FieldPath) -> tuple[dict[str, Any], int]:
        mapping: dict[str, Any] = {}
        at = self.skip(at)
        if self.text.startswith("}", at):
            return mapping, at + 1
        while True:
            at = self.skip(at)
            if not self.text.startswith('"', at):
                raise json.JSONDecodeError("Expecting a key in double quotes", self.text, at)
            line = self.text.count("\n", 0, at) + 1
            key, at = _SCALARS.raw_decode(self.text, at)
            if key in mapping:
                field = ".".join(map(str, (*path, key)))
                self.faults.append(Fault(self.file, f"key {key!r} is given twice", "Keep one of them", line, field))
            self.lines[*path, key] = line
            at = self.skip(at)
            if not self.text.startswith(":", at):
                raise json.JSONDecodeError("Expecting ':'", self.text, at)
            mapping[key], at = self.value(at + 1, (*path, key))
            more, at = self.separator(at, "}")
            if not more:
                return mapping, at

    def separator(self, at: int, closing: str) -> tuple[bool, int]:
        at = self.skip(at)
        if self.text.startswith(",", at):
            return True, at + 1
        if self.text.startswith(closing, at):
            return False, at + 1
        raise json.JSONDecodeError(f"Expecting ',' or '{closing}'", self.text, at)
