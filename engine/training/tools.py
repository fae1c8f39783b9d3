"""The functions that a model is trained or asked to call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from routenator.engine.errors import Fault, InputError

Tool = dict[str, Any]
"""An entry of an OpenAI ``tools`` list."""


def load_tools(path: Path) -> tuple[Tool, ...]:
    """Read a pack's ``functions.json``, or any JSON list of tools or of bare functions.

    Raises:
        InputError: The file is no such list.
    """
    fix = 'Give a list of {"type": "function", "function": {"name": …, "parameters": {…}}}, such as functions.json'
    file = path / "functions.json" if path.is_dir() else path
    try:
        value = orjson.loads(file.read_bytes())
    except OSError as exc:
        raise InputError([Fault(str(file), f"cannot be read ({exc.strerror})", fix)]) from None
    except ValueError as exc:
        raise InputError([Fault(str(file), f"is no JSON ({exc})", fix)]) from None
    tools = [_to_tool(item) for item in value] if isinstance(value, list) else []
    if not tools or None in tools:
        raise InputError([Fault(str(file), "is no list of functions", fix)])
    return tuple(tool for tool in tools if tool is not None)


def _to_tool(item: Any) -> Tool | None:
    function = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    return {"type": "function", "function": function}
