"""Read a user's YAML strictly, and say the line of whatever is wrong in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ModelWrapValidatorHandler, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from routenator.engine.display import show_line
from routenator.engine.errors import Fault, InputError

MAX_YAML_BYTES = 4_000_000

Model = TypeVar("Model", bound=BaseModel)
FieldPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A parsed document with the line of every key; ``lines[()]`` is the first line."""

    file: str
    data: Any
    lines: dict[FieldPath, int] = field(default_factory=dict)

    def line(self, path: FieldPath) -> int | None:
        """1-based line of the nearest known ancestor of ``path``."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def fault(self, path: FieldPath, message: str, fix: str) -> Fault:
        """A fault at ``path`` of this file."""
        return Fault(self.file, message, fix, self.line(path), ".".join(map(str, path)) or None)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and anchors' merge bombs (aliases are refused altogether)."""


def _node_to_data(
    loader: _StrictLoader, node: yaml.Node, path: FieldPath, lines: dict[FieldPath, int], faults: list[Fault], file: str
) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool):
                key = str(key)
            line = key_node.start_mark.line + 1
            if key in mapping:
                faults.append(
                    Fault(
                        file, f"key {key!r} is given twice", "Keep one of them", line, ".".join(map(str, (*path, key)))
                    )
                )
            lines[(*path, key)] = line
            mapping[key] = _node_to_data(loader, value_node, (*path, key), lines, faults, file)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_node_to_data(loader, child, (*path, i), lines, faults, file) for i, child in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def _load(text: str, file: str, lines: dict[FieldPath, int], faults: list[Fault]) -> Any:
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _node_to_data(loader, node, (), lines, faults, file)
    finally:
        loader.dispose()


def parse_yaml(text: str, file: str, error: type[InputError], first_line: int = 1) -> YamlSource:
    """Parse ``text`` with duplicate keys, aliases and tags refused.

    Args:
        text: The YAML document.
        file: Name for messages.
        error: Class to raise, so that a pack's fault is a ``DomainError``.
        first_line: Line of ``file`` on which ``text`` starts, for front matter.

    Raises:
        InputError: Of class ``error``, with all faults.
    """
    faults: list[Fault] = []
    lines: dict[FieldPath, int] = {}
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):
                line = token.start_mark.line + first_line
                raise error([Fault(file, "YAML aliases are not allowed", "Write the value out", line)])
            if isinstance(token, yaml.TagToken):
                # The loader would refuse it on a scalar and silently leave it out on a mapping or a list.
                tag = show_line("".join(part or "" for part in token.value), 40)
                fix = "Remove the tag; a value in quotes is a text"
                faults.append(Fault(file, f"YAML tags are not allowed (got {tag})", fix, token.start_mark.line + 1))
        data = None if faults else _load(text, file, lines, faults)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        problem = getattr(exc, "problem", None) or str(exc)
        line = None if mark is None else mark.line + first_line
        raise error([Fault(file, f"not valid YAML: {problem}", "Correct the syntax", line)]) from None
    shift = first_line - 1
    if faults:
        raise error([Fault(f.file, f.message, f.fix, (f.line or 1) + shift, f.field) for f in faults])
    return YamlSource(file, data, {path: line + shift for path, line in lines.items()})


def read_text(path: Path, error: type[InputError], max_bytes: int = MAX_YAML_BYTES) -> str:
    """Read a UTF-8 file whole.

    Raises:
        InputError: Of class ``error``: missing, unreadable, too large, not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            fault = Fault(str(path), f"{size:,} bytes is over the limit of {max_bytes:,}", "Split the file")
            raise error([fault])
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise error([Fault(str(path), "no such file", "Check the path")]) from None
    except OSError as exc:
        raise error([Fault(str(path), f"cannot be read: {exc.strerror}", "Check its type and permissions")]) from None
    except UnicodeDecodeError as exc:
        line = path.read_bytes()[: exc.start].count(b"\n") + 1
        message = f"byte 0x{exc.object[exc.start]:02x} is not UTF-8"
        raise error([Fault(str(path), message, "Save the file as UTF-8", line)]) from None


def load_yaml(path: Path, error: type[InputError]) -> YamlSource:
    """Read and parse the YAML file at ``path``; see `parse_yaml`."""
    return parse_yaml(read_text(path, error), str(path), error)


_FIXES = {
    "extra_forbidden": "Remove it, or correct its spelling",
    "missing": "Add it",
}


def collect_faults(source: YamlSource, exc: ValidationError) -> list[Fault]:
    """Turn pydantic's errors into faults with lines."""
    faults = []
    errors = exc.errors()
    for item in errors:
        depth = len(item["loc"])
        if item["type"] == "too_short" and any(
            len(e["loc"]) > depth and e["loc"][:depth] == item["loc"] for e in errors
        ):
            continue  # pydantic counts only sound items: this follows from the item's own fault
        loc = tuple(part for part in item["loc"] if not (isinstance(part, str) and part.startswith(("function-", "["))))
        if item["type"] == "extra_forbidden":
            message = "unknown key"
        elif item["type"] == "missing":
            message = "required key is missing"
        else:
            message = item["msg"].removeprefix("Value error, ")
            # Our own validators quote what may be shown; people paste keys into the fields that refuse them.
            if item["type"] != "value_error" and isinstance(item["input"], str | int | float | bool):
                message += f" (got {item['input']!r})"
        faults.append(source.fault(loc, message.rstrip("."), _FIXES.get(item["type"], "Correct the value")))
    return faults


def validate_yaml(model: type[Model], source: YamlSource, error: type[InputError]) -> Model:
    """Build ``model`` from a parsed document.

    Raises:
        InputError: Of class ``error``, with every fault and its line.
    """
    try:
        return model.model_validate(source.data if source.data is not None else {})
    except ValidationError as exc:
        raise error(collect_faults(source, exc)) from None


def as_detail(kind: str, message: str, loc: tuple[int | str, ...], value: Any) -> InitErrorDetails:
    """A fault in pydantic's form; ``kind`` is its type of error."""
    error = PydanticCustomError(kind, "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=loc, input=value)


def build_with(build: ModelWrapValidatorHandler[Model], data: Any, more: list[InitErrorDetails]) -> Model:
    """Build a model from ``data``; the fields' own faults and ``more``, which lie between fields, are said at once.

    Pydantic looks at the fields together only when each is sound by itself.

    Raises:
        ValidationError: There are faults.
    """
    try:
        made = build(data)
    except ValidationError as exc:
        more = [as_detail(item["type"], item["msg"], item["loc"], item["input"]) for item in exc.errors()] + more
    if more:
        raise ValidationError.from_exception_data("", more)
    return made
