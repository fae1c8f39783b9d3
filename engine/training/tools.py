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
    if not isinstance(value, list) or not value:
        raise InputError([Fault(str(file), "is no list of functions", fix)])
    tools: dict[str, Tool] = {}
    for number, item in enumerate(value, 1):
        function = item.get("function", item) if isinstance(item, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InputError([Fault(str(file), f"entry {number} is no function with a name", fix)])
        name = function["name"]
        if name in tools:
            raise InputError([Fault(str(file), f"has the function {name} twice", "Give each function once")])
        parameters = function.get("parameters", {})
        # Not checked against the standard: the function calling leaderboard's "dict" and "float" are read as well.
        if not isinstance(parameters, dict) or not isinstance(parameters.get("properties", {}), dict):
            raise InputError([Fault(str(file), f"the parameters of {name} are no JSON schema of an object", fix)])
        tools[name] = {"type": "function", "function": function}
    return tuple(tools.values())
