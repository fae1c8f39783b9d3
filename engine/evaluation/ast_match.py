"""Whether a call is one of the answers that are right: function, types by its schema, values from lists.

Agrees with the checker of the Berkeley Function Calling Leaderboard on single calls in Python's types.

Source:
    S. Patil et al., Gorilla, 2023 (AST sub-tree matching); the rules are those of ``ast_checker.py`` in the
    package bfcl-eval 2026.3.23, its oddities included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from routenator.engine.evaluation.calls import Call

OPTIONAL = ""
"""Among the values that are right: the argument may be left out."""

Answer = Mapping[str, Sequence[Any]]
"""Argument → the values that are right, or `OPTIONAL`. Objects among them hold such lists by key themselves."""

_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "object": dict,
    "dict": dict,
    "any": str,
}
_SPELLING = re.compile(r"[ ,./\-_*^]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class PossibleCall:
    """The calls that are right: one function, and the values that each argument may have."""

    function: str
    arguments: Answer


def matches(call: Call, possible: PossibleCall, schema: Mapping[str, Any]) -> bool:
    """Whether ``call`` is one of ``possible``.

    Args:
        call: What the model called.
        possible: What is right.
        schema: The function's ``parameters``, as JSON schema or with the leaderboard's ``dict`` and ``float``.
    """
    properties, given = schema.get("properties", {}), call.arguments
    if call.function != possible.function or not set(schema.get("required", ())) <= given.keys():
        return False
    for name, value in given.items():
        if name not in properties or name not in possible.arguments:
            return False
        if not _is_right(value, possible.arguments[name], properties[name]):
            return False
    return all(name in given or OPTIONAL in values for name, values in possible.arguments.items())


def possible_call(golden: Call, schema: Mapping[str, Any]) -> PossibleCall:
    """The golden call as the one answer that is right, with its texts as the types that the schema asks for.

    Golden sets hold spans of the query, so that 5 stands there as ``"5"``; no argument may be left out.
    """
    properties = schema.get("properties", {})
    values = {
        name: [_possible_value(value, properties.get(name, {}))]
        for name, value in golden.arguments.items()
        if value is not None
    }
    return PossibleCall(golden.function, values)


def _possible_value(value: Any, schema: Any) -> Any:
    """The value as `Answer` has it: the keys of an object, and of those in a list of objects, each with one value."""
    declared = _declared(schema)
    if isinstance(value, Mapping) and (declared is None or _TYPES[declared] is dict):
        return {key: [item] for key, item in value.items()}
    if isinstance(value, list) and declared in ("array", "tuple"):
        items = _declared(schema.get("items", {}))
        if items is not None and _TYPES[items] is dict:
            return [_possible_value(item, {}) for item in value]
    return _cast(value, declared)


def _declared(schema: Any) -> str | None:
    """The schema's type; of several the first that is not null; ``None`` where it says none that is known."""
    declared = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(declared, list):
        declared = next((each for each in declared if each != "null"), None)
    return declared if isinstance(declared, str) and declared in _TYPES else None


def _cast(value: Any, declared: str | None) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if declared == "integer" and _NUMBER.fullmatch(text) and "." not in text:
        return int(text)
    if declared in ("number", "float") and _NUMBER.fullmatch(text):
        return float(text)
    if declared == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return [value] if declared in ("array", "tuple") else value


def _is_right(value: Any, possible: Sequence[Any], schema: Any) -> bool:
    declared = _declared(schema)
    items = _declared(schema.get("items", {})) if declared in ("array", "tuple") else None
    if isinstance(value, tuple):
        value = list(value)
    if declared in ("number", "float") and type(value) is int:
        value = float(value)
    given: type = type(value)
    expected = _TYPES[declared] if declared else given
    # Where the answer is of another type than the schema's, it is the name of a variable: compared as it stands.
    known = _type_of(possible)
    if given is not expected:
        return given is known and value in possible
    if items is not None and not any(_holds_right_types(value, each, _TYPES[items]) for each in possible):
        return False
    if known not in (None, expected):
        return value in possible
    if expected is dict:
        return any(_same_object(value, each) for each in possible if each != OPTIONAL)
    if items is not None and _TYPES[items] is dict:
        return any(_same_objects(value, each) for each in possible)
    if expected is list:
        return _spell_all(value) in [_spell_all(each) for each in possible if isinstance(each, list | str)]
    return _spell(value) in [_spell(each) for each in possible if isinstance(each, str) or expected is not str]


def _type_of(possible: Sequence[Any]) -> type | None:
    return next((type(each) for each in possible if each != OPTIONAL), None)


def _holds_right_types(value: list[Any], possible: Any, expected: type) -> bool:
    if not isinstance(possible, list):
        return True
    known = _type_of(possible)
    return all(type(item) is expected or (known is not None and type(item) is known) for item in value)


def _same_object(value: Any, possible: Any) -> bool:
    """Each key's value is among those that are right; keys may be missing where the answer says so."""
    if not isinstance(value, Mapping) or not isinstance(possible, Mapping):
        return False
    for key, item in value.items():
        if key not in possible or _spell(item) not in [_spell(each) for each in possible[key]]:
            return False
    return all(key in value or OPTIONAL in each for key, each in possible.items())


def _same_objects(value: list[Any], possible: Any) -> bool:
    return len(value) == len(possible) and all(map(_same_object, value, possible))


def _spell(value: Any) -> Any:
    """A text without case, spaces and light punctuation; anything else as it is."""
    return _SPELLING.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _spell_all(values: Any) -> list[Any]:
    return [_spell(value) for value in values]
