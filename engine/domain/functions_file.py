"""``functions.json``: the tools in OpenAI's format, and how their arguments fit the pack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from routenator.engine.display import show
from routenator.engine.domain.json_source import parse_json
from routenator.engine.domain.pack import NO_CATEGORY, DomainSpec, FunctionTool
from routenator.engine.domain.text_rules import find_text_problem
from routenator.engine.errors import DomainError, Fault
from routenator.engine.json_schema import SchemaError, check_schema
from routenator.engine.yaml_source import FieldPath, YamlSource, read_text

FUNCTION_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
"""OpenAI's rule for function names."""

_TOOL_KEYS = {"type", "function"}
_FUNCTION_KEYS = {"name", "description", "parameters", "strict"}


def read_functions(path: Path, spec: DomainSpec | None, faults: list[Fault]) -> tuple[FunctionTool, ...]:
    """Read the tools; every fault goes to ``faults``.

    Args:
        path: Of ``functions.json``.
        spec: The pack's ``domain.yaml``, or ``None`` when that is faulty: then only the tools themselves are checked.
        faults: Receives what is wrong.
    """
    try:
        source = parse_json(read_text(path, DomainError), str(path))
    except DomainError as exc:
        faults.extend(exc.faults)
        return ()
    if not isinstance(source.data, list) or not source.data:
        fix = 'Write [{"type": "function", "function": {"name": ..., "description": ..., "parameters": ...}}]'
        faults.append(source.fault((), "the file is not a list of tools", fix))
        return ()
    functions = []
    lines: dict[str, int | None] = {}
    for number, tool in enumerate(source.data):
        found = _check_tool(source, number, tool)
        if not found:
            function = tool["function"]
            name = function["name"]
            if name in lines:
                message = f"function {name!r} is defined twice (first on line {lines[name]})"
                found.append(source.fault((number, "function", "name"), message, "Rename or remove one of them"))
            lines.setdefault(name, source.line((number, "function", "name")))
            if spec is not None:
                found += _check_arguments(source, number, function, spec)
            functions.append(FunctionTool(name, function["description"], function["parameters"], tool))
        faults.extend(found)
    if spec is not None and len(functions) == len(source.data):
        faults.extend(_check_whole(source, functions, spec))
    return tuple(functions)


def _check_whole(source: YamlSource, functions: Sequence[FunctionTool], spec: DomainSpec) -> Iterator[Fault]:
    """Functions and categories that domain.yaml speaks of, and no tool does."""
    names = {function.name for function in functions}
    for function in spec.arguments:
        if function not in names:
            message = f"domain.yaml has arguments of function {show(function)!r}, which is not here"
            yield source.fault((), message, "Add the function, or remove its arguments from domain.yaml")
    if spec.spoken_arguments:
        return  # what users call a category is then a node's label
    offered = {c for function in functions for c in allowed_categories(function, spec)}
    for name in spec.categories:
        if name not in offered:
            message = f"no function offers category {show(name)!r} of domain.yaml"
            fix = "Add it to the enum of a category argument, or remove it from domain.yaml"
            yield source.fault((), message, fix)


def allowed_categories(function: FunctionTool, spec: DomainSpec) -> tuple[str, ...]:
    """Values of the category argument that the function's schema allows; empty when the schema is faulty.

    A category argument that is spoken may say any category, or be absent.
    """
    roles = spec.roles.get(function.name)
    if roles is not None and roles.spoken:
        return (NO_CATEGORY, *(spec.categories if roles.category else ()))
    properties = function.parameters.get("properties")
    argument = properties.get(roles.category or "") if isinstance(properties, dict) and roles else None
    values = argument.get("enum") if isinstance(argument, dict) else None
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()


def _check_tool(source: YamlSource, number: int, tool: Any) -> list[Fault]:
    if not isinstance(tool, dict):
        return [source.fault((number,), "a tool is an object", 'Write {"type": "function", "function": {...}}')]
    found = _unknown_keys(source, (number,), tool, _TOOL_KEYS)
    if tool.get("type") != "function":
        found.append(source.fault((number, "type"), 'type is not "function"', 'Write "type": "function"'))
    function = tool.get("function")
    if not isinstance(function, dict):
        found.append(source.fault((number, "function"), "the tool has no function object", "Add it"))
        return found
    here: FieldPath = (number, "function")
    found += _unknown_keys(source, here, function, _FUNCTION_KEYS)
    name = function.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.match(name):
        message = f"{name!r} is not a function name" if "name" in function else "the function has no name"
        found.append(source.fault((*here, "name"), message, "Use 1 to 64 letters, digits, _ and -"))
    description = function.get("description")
    problem = find_text_problem(description) if isinstance(description, str) else "is missing or not text"
    if problem:
        found.append(source.fault((*here, "description"), f"the description {problem}", "Describe it in a sentence"))
    parameters = function.get("parameters")
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        fix = 'Write "parameters": {"type": "object", "properties": {...}}'
        found.append(source.fault((*here, "parameters"), "parameters is not a JSON Schema of an object", fix))
        return found
    try:
        check_schema(parameters)
    except SchemaError as exc:
        at = (*here, "parameters", *exc.path)
        message = f"not a valid JSON Schema: {exc.message[:200]}"
        found.append(source.fault(at, message, "Correct the schema (JSON Schema, draft 2020-12)"))
    return found


def _unknown_keys(source: YamlSource, path: FieldPath, value: dict[str, Any], known: set[str]) -> list[Fault]:
    fix = "Remove it, or correct its spelling"
    return [source.fault((*path, key), "unknown key", fix) for key in value if key not in known]


def _check_arguments(source: YamlSource, number: int, function: dict[str, Any], spec: DomainSpec) -> list[Fault]:
    here: FieldPath = (number, "function", "parameters", "properties")
    properties = function["parameters"].get("properties", {})
    name = function["name"]
    declared = spec.arguments.get(name)
    if declared is None:
        message = f"domain.yaml does not say the arguments of function {name!r}"
        return [source.fault((number, "function", "name"), message, "Add them under arguments, or remove the function")]
    found = []
    for argument, settings in declared.items():
        schema = properties.get(argument)
        if not isinstance(schema, dict):
            message = f"function {name!r} has no argument {argument!r}, which domain.yaml names"
            found.append(source.fault(here, message, "Add it to properties, or correct arguments in domain.yaml"))
        elif schema.get("type") != "string":
            message = f"the {settings.kind} argument {argument!r} is not of type string"
            found.append(source.fault((*here, argument, "type"), message, 'Write "type": "string"'))
        elif settings.kind == "category" and settings.node is None:
            found += _check_enum(source, (*here, argument, "enum"), schema.get("enum"), spec)
        elif "enum" in schema:
            message = f"the {settings.kind} argument {argument!r} has an enum"
            found.append(source.fault((*here, argument, "enum"), message, "Remove the enum"))
    for argument in function["parameters"].get("required", ()):
        if argument not in declared:
            message = f"function {name!r} requires {argument!r}, which domain.yaml does not name"
            fix = "Declare it under arguments in domain.yaml, or remove it from required"
            found.append(source.fault((number, "function", "parameters", "required"), message, fix))
    return found


def _check_enum(source: YamlSource, path: FieldPath, values: Any, spec: DomainSpec) -> list[Fault]:
    if not isinstance(values, list) or not values:
        fix = "List the categories of domain.yaml that the function takes"
        return [source.fault(path, "the category argument has no enum", fix)]
    found = []
    for i, value in enumerate(values):
        if not isinstance(value, str) or value not in spec.categories:
            message = f"category {value!r} is not one of domain.yaml ({', '.join(spec.categories)})"
            found.append(source.fault((*path, i), message, "Correct it, or add it to categories in domain.yaml"))
        elif value in values[:i]:
            found.append(source.fault((*path, i), f"category {value!r} is listed twice", "Remove one of them"))
    return found
