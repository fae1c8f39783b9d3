"""What the metrics need to know of the functions: which arguments are categories and which are free text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from routenator.engine.domain.pack import ArgumentKind, DomainPack
from routenator.engine.errors import Fault, InputError


@dataclass(frozen=True)
class Roles:
    """Which arguments CTA and SS look at, by function; other arguments are neither."""

    categories: Mapping[str, frozenset[str]] = field(default_factory=dict)
    free_texts: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, dict[str, list[str]]]:
        """JSON-able, in a fixed order."""
        return {
            name: {function: sorted(arguments) for function, arguments in sorted(by_function.items())}
            for name, by_function in (("categories", self.categories), ("free_texts", self.free_texts))
        }


def roles_of(pack: DomainPack) -> Roles:
    """The arguments that the pack declares."""

    def named(kind: ArgumentKind) -> dict[str, frozenset[str]]:
        return {
            function: frozenset(name for name, argument in arguments.items() if argument.kind == kind)
            for function, arguments in pack.spec.arguments.items()
        }

    return Roles(named("category"), named("text"))


def synonyms_of(pack: DomainPack) -> dict[str, dict[str, str]]:
    """Argument → word of the user → the category that it means: the keywords that the pack declares."""
    meanings = {
        word: name
        for name, category in pack.spec.categories.items()
        for words in category.keywords.values()
        for word in words
    }
    arguments = {argument for names in roles_of(pack).categories.values() for argument in names}
    return dict.fromkeys(sorted(arguments), meanings)


def roles_by_name(tools: Sequence[Mapping[str, Any]], categories: Sequence[str], free_texts: Sequence[str]) -> Roles:
    """Roles as they are given on the command line: ``ARGUMENT``, or ``FUNCTION.ARGUMENT``.

    Raises:
        InputError: No function has such an argument.
    """
    faults: list[Fault] = []
    found = []
    for option, names in (("--category-argument", categories), ("--text-argument", free_texts)):
        by_function: dict[str, set[str]] = {}
        for name in names:
            owners = _owners(tools, name)
            for function, argument in owners:
                by_function.setdefault(function, set()).add(argument)
            if not owners:
                fix = "Name an argument of the functions, or FUNCTION.ARGUMENT"
                faults.append(Fault(option, f"no function has an argument {name}", fix))
        found.append({function: frozenset(arguments) for function, arguments in by_function.items()})
    if faults:
        raise InputError(faults)
    return Roles(*found)


def _owners(tools: Sequence[Mapping[str, Any]], name: str) -> list[tuple[str, str]]:
    """``(function, argument)`` for all that ``name`` can mean; names of functions may hold dots."""
    declared = [
        (tool["function"]["name"], argument)
        for tool in tools
        for argument in tool["function"].get("parameters", {}).get("properties", {})
    ]
    return [(function, argument) for function, argument in declared if name in (argument, f"{function}.{argument}")]
