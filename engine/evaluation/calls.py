"""Function calls: what the golden set holds and what a model answered, in one form."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NO_CALL = "(no call)"
"""The class of rows that call nothing."""

MAX_DEPTH = 50
"""Levels of objects and lists in arguments; what is deeper is babble, and more than can be shown and compared."""

_FENCE = re.compile(r"^```[\w-]*\s*\n?|\n?```\s*$")
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|$)", re.DOTALL)
_MARKERS = ("[TOOL_CALLS]", "<|python_tag|>", "<<<api_call>>>:", "<<<api_call>>>")
_LOOKS_LIKE_A_CALL = re.compile(r"\[?\s*[A-Za-z_][\w.]*\(")


@dataclass(frozen=True, slots=True)
class Call:
    """One function call; ``arguments`` as JSON values."""

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply says.

    Attributes:
        calls: The calls in order; none: the model answered in words.
        valid: Whether the whole reply could be read: as calls, or as words that do not begin one.
        problem: Why it is not valid; ``None`` if it is.
    """

    calls: tuple[Call, ...]
    valid: bool = True
    problem: str | None = None

    @property
    def call(self) -> Call | None:
        """The first call; ``None``: no call."""
        return self.calls[0] if self.calls else None


def read_tool_calls(message: Mapping[str, Any]) -> ParsedReply:
    """An assistant message of the chat protocol: its ``tool_calls``, or, without any, its text.

    Source:
        OpenAI API reference, chat completions: ``arguments`` is a string of JSON that need not be valid.
    """
    tool_calls = message.get("tool_calls") or ()
    if not tool_calls:
        return parse_reply(str(message.get("content") or ""))
    calls = []
    for item in tool_calls:
        function = item.get("function") or {}
        try:
            calls.append(_to_call({"name": function.get("name"), "arguments": function.get("arguments", {})}))
        except ValueError as exc:
            return ParsedReply(tuple(calls), False, str(exc))
    return ParsedReply(tuple(calls))


def parse_reply(text: str) -> ParsedReply:
    """Read the text of a reply in any of the forms that function-calling models write.

    JSON objects ``{"name", "arguments"}`` (or Llama's ``parameters``), alone, in a list, or within ``<tool_call>`` tags
    (Hermes, Qwen, SmolLM2), after Mistral's and Llama's markers, in a code fence; and calls in Python's syntax
    (Gorilla). A list without a call, and words that do not begin a call, are no call.
    """
    body = text.strip()
    tagged = [match[1] for match in _TAGGED.finditer(body)]
    if tagged:
        pieces = tagged
    else:
        for marker in _MARKERS:
            body = body.removeprefix(marker).strip()
        pieces = [_FENCE.sub("", body).strip()]
    calls: list[Call] = []
    for piece in pieces:
        try:
            calls += _read_piece(piece)
        except ValueError as exc:
            return ParsedReply(tuple(calls), False, str(exc))
    return ParsedReply(tuple(calls))


def _read_piece(piece: str) -> list[Call]:
    if piece.startswith(("{", "[{", "[]")) or re.match(r"\[\s*[{\]]", piece):
        try:
            value = json.loads(piece)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"no JSON: {exc}") from None
        return [_to_call(item) for item in (value if isinstance(value, list) else [value])]
    if _LOOKS_LIKE_A_CALL.match(piece):
        return list(_python_calls(piece))
    return []


def _to_call(value: Any) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("a call is an object with a name")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"the arguments are no JSON: {exc}") from None
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ValueError("the arguments of a call are an object")
    if _is_deep(arguments):
        raise ValueError(f"the arguments are nested more than {MAX_DEPTH} levels deep")
    return Call(value["name"], arguments)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [item for items in parts for item in items]
    return any(isinstance(each, dict | list) for each in level)


def _python_calls(piece: str) -> Iterator[Call]:
    """``f(a="b")``, ``[f(a=1), g(b=2)]``; literals only, nothing is evaluated."""
    try:
        body = ast.parse(piece, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("a call in Python's syntax that does not end") from None
    for node in body.elts if isinstance(body, ast.List | ast.Tuple) else [body]:
        if not isinstance(node, ast.Call) or node.args or any(keyword.arg is None for keyword in node.keywords):
            raise ValueError("a call in Python's syntax names all of its arguments")
        try:
            literals = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
            arguments = json.loads(json.dumps(literals))  # JSON values only: no bytes, sets or complex numbers
        except (ValueError, TypeError, RecursionError, MemoryError):
            raise ValueError("an argument in Python's syntax is no literal") from None
        yield Call(ast.unparse(node.func), arguments)
