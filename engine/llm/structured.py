"""Structured output: how JSON is asked for, and how it is read back from whatever came."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, NoReturn

import orjson
from jsonschema_rs import ValidationError

from routenator.engine.config import StructuredOutput
from routenator.engine.errors import ParseError
from routenator.engine.json_schema import SchemaError, find_errors

Mode = Literal["json_schema", "json_object", "text"]
MODES: tuple[Mode, ...] = ("json_schema", "json_object", "text")

_FORMAT_WORDS = re.compile(r"(?i)response_format|json_schema|json_object|json schema|guided|structured|grammar")
_FENCE = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Negotiation:
    """What one endpoint understands: the best mode that it has not refused, and whether it has proved it."""

    def __init__(self, setting: StructuredOutput) -> None:
        self.mode: Mode = "json_schema" if setting == "auto" else setting
        self.settled = setting != "auto"

    def confirm(self, mode: Mode) -> None:
        """The endpoint answered with JSON in ``mode``."""
        if mode == self.mode:
            self.settled = True

    def step_down(self, mode: Mode) -> Mode | None:
        """The next weaker mode than ``mode``, which the endpoint refused or ignored.

        Returns:
            ``None`` if there is none, or the mode was given or proved and the fault must lie elsewhere.
        """
        if self.settled:
            return None
        if mode == self.mode and mode != MODES[-1]:
            self.mode = MODES[MODES.index(mode) + 1]
        return self.mode if self.mode != mode else None


def speaks_of_format(words: str) -> bool:
    """Whether a server's refusal is about the response format."""
    return _FORMAT_WORDS.search(words) is not None


def looks_like_json(text: str) -> bool:
    """Whether the answer is a JSON object from its first character on."""
    return text.lstrip().startswith("{")


def response_format(mode: Mode, schema: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The request's ``response_format`` in ``mode``."""
    if mode == "json_schema":
        return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}
    return {"type": "json_object"} if mode == "json_object" else None


def with_schema_in_words(messages: tuple[dict[str, Any], ...], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages with the schema as an instruction, for a server that does not take it as a parameter.

    Patterns are left out: they are rails for a decoder, differ in each request, and would keep the server from reusing
    the beginning of the prompt.
    """
    properties = schema.get("properties", {})
    if any("pattern" in part for part in properties.values()):
        plain = {name: {key: part[key] for key in part if key != "pattern"} for name, part in properties.items()}
        schema = {**schema, "properties": plain}
    words = (
        f"Answer with one JSON object and nothing else. It must fit this JSON schema: {orjson.dumps(schema).decode()}"
    )
    if messages and messages[0].get("role") == "system" and isinstance(messages[0].get("content"), str):
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{words}"}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def parse_json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Read the JSON object out of a model's answer.

    Tolerates a code fence, words round the object and a missing end of the answer after it; nothing is guessed.

    Args:
        text: The answer.
        schema: What the object must fit.

    Raises:
        ParseError: No JSON object, broken, cut off, a key twice, or against the schema. The message is worded so that
            the next prompt can repeat it to the model.
    """
    value = _read_object(text)
    try:
        faults = [_fault_in_words(error) for error in find_errors(schema, value)]
    except SchemaError as exc:
        raise ParseError(f"The schema cannot be followed: {exc.message}.") from None
    if faults:
        raise ParseError("The JSON does not fit the schema: " + "; ".join(faults[:5]) + ".")
    return value


def _read_object(text: str) -> dict[str, Any]:
    try:
        value = _DECODER.decode(text.strip())
    except _DuplicateKeyError as exc:
        _refuse_duplicate(exc)
    except (ValueError, RecursionError):
        value = _first_object(text)
    if not isinstance(value, dict):
        raise ParseError(f"The answer must be one JSON object, not a JSON {type(value).__name__}.")
    may_hold_half = "\\u" in text or not text.isascii()  # writing the value out again costs more than reading it
    if may_hold_half and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise ParseError("The JSON holds half of a surrogate pair (\\ud800 to \\udfff alone). Write plain characters.")
    return value


def _first_object(text: str) -> Any:
    """The first JSON object in prose or fences."""
    worst: ValueError | None = None
    for part in _candidates(text):
        try:
            return _DECODER.raw_decode(part)[0]
        except _DuplicateKeyError as exc:
            _refuse_duplicate(exc)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except ValueError as exc:
            worst = worst or exc
    if worst is None:
        raise ParseError("The answer holds no JSON object. Answer with one JSON object and nothing else.")
    if not isinstance(worst, json.JSONDecodeError):
        raise ParseError("The JSON holds a number that is too long.")
    if worst.pos >= len(worst.doc.rstrip()) or worst.msg.startswith("Unterminated string"):
        raise ParseError("The JSON object is cut off before its end. Keep it short and close every quote and brace.")
    raise ParseError(f"The JSON is broken at character {worst.pos}: {worst.msg}.")


def _candidates(text: str) -> Iterator[str]:
    for fenced in _FENCE.finditer(text):
        if (at := fenced[1].find("{")) >= 0:
            yield fenced[1][at:]
    if (at := text.find("{")) >= 0:
        yield text[at:]


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object."""


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return value


def _refuse_duplicate(exc: _DuplicateKeyError) -> NoReturn:
    raise ParseError(f"The JSON has the key {str(exc)!r} twice. Write every key once.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is no JSON value", name, 0)


def _read_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise json.JSONDecodeError(f"{text[:20]} is too large a number", text, 0)
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_float=_read_float
)


def _fault_in_words(error: ValidationError) -> str:
    where = ".".join(map(str, error.instance_path)) or "the object"
    return f"{where}: {error.message if len(error.message) <= 200 else error.message[:200] + '…'}"
