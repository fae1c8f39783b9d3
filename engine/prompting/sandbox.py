"""Render untrusted templates: a small, strict subset of Jinja2.

A template comes with a domain pack, so it is data from somebody else. `ImmutableSandboxedEnvironment` keeps it away
from Python's internals; on top of that, what could eat memory or time (calls, powers, products, assignments, loops in
loops, includes, macros, unknown filters) is refused when the template is loaded, and what a filter gives and what the
template writes is cut off at a limit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sized
from typing import Any

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    UndefinedError,
    meta,
    nodes,
)
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

from routenator.engine.errors import Fault, PromptError

MAX_TEMPLATE_CHARS = 50_000
MAX_OUTPUT_CHARS = 50_000
ALLOWED_FILTERS = frozenset(
    {"capitalize", "default", "first", "join", "last", "length", "lower", "title", "tojson", "upper"}
)
# Assignments are refused because each can double what the one before it holds.
_REFUSED: tuple[type[nodes.Node], ...] = (
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Block,
    nodes.Call,
    nodes.CallBlock,
    nodes.Extends,
    nodes.FilterBlock,
    nodes.FromImport,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
    nodes.Mod,
    nodes.Mul,
    nodes.Pow,
    nodes.With,
)


def _bound(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that gives no more than `MAX_OUTPUT_CHARS`: chained, each link could multiply the text."""

    @functools.wraps(apply)  # carries jinja's mark of what the filter takes first
    def bounded(context: Any, value: Any, *args: Any, **options: Any) -> Any:
        if apply is FILTERS["join"] and args and isinstance(value, Sized):
            _check_size(len(value) * len(str(args[0])))
        result = apply(context, value, *args, **options)
        if isinstance(result, str):
            _check_size(len(result))
        return result

    @functools.wraps(apply)
    def bounded_plain(value: Any, *args: Any, **options: Any) -> Any:
        result = apply(value, *args, **options)
        if isinstance(result, str):
            _check_size(len(result))
        return result

    return bounded if hasattr(apply, "jinja_pass_arg") else bounded_plain


def _check_size(chars: int) -> None:
    if chars > MAX_OUTPUT_CHARS:
        raise TemplateRuntimeError(f"a filter gives over {MAX_OUTPUT_CHARS:,} characters")


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters = {name: _bound(FILTERS[name]) for name in ALLOWED_FILTERS}


def compile_section(
    source: str, file: str, line: int, variables: frozenset[str]
) -> tuple[Template | None, list[Fault]]:
    """Compile one section of a template.

    Args:
        source: Jinja2 text.
        file: Name for messages.
        line: Line of ``file`` on which ``source`` starts.
        variables: Names that rendering will provide; any other name is a fault.

    Returns:
        The compiled template, or ``None`` with the faults.
    """
    if len(source) > MAX_TEMPLATE_CHARS:
        return None, [
            Fault(file, f"a section of {len(source):,} characters", f"Keep it under {MAX_TEMPLATE_CHARS:,}", line)
        ]
    try:
        tree = _ENVIRONMENT.parse(source)
        faults = [
            Fault(
                file,
                f"`{type(node).__name__.lower()}` is not allowed in a template",
                "Remove it",
                line + node.lineno - 1,
            )
            for node in tree.find_all(_REFUSED)
        ]
        faults += [
            Fault(file, "a loop inside a loop", "Write the inner list with `join`", line + node.lineno - 1)
            for outer in tree.find_all(nodes.For)
            for node in outer.find_all(nodes.For)
        ]
        faults += [
            Fault(file, f"attribute {node.attr!r} is private", "Remove it", line + node.lineno - 1)
            for node in tree.find_all(nodes.Getattr)
            if node.attr.startswith("_")
        ]
        faults += [
            Fault(
                file,
                f"unknown filter {node.name!r}",
                f"Use one of {', '.join(sorted(ALLOWED_FILTERS))}",
                line + node.lineno - 1,
            )
            for node in tree.find_all(nodes.Filter)
            if node.name not in ALLOWED_FILTERS
        ]
        # Finding names by jinja's own means generates code, which works constants out: not before all of them are safe.
        bound = {"loop"} | {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
        named = {node.name for node in tree.find_all(nodes.Name)} - bound
        unknown = named - variables or (set() if faults else meta.find_undeclared_variables(tree) - variables)
        for name in sorted(unknown):
            at = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)
            known = ", ".join(sorted(variables))
            faults.append(Fault(file, f"unknown variable {name!r}", f"The variables are {known}", line + at - 1, name))
        return (None, faults) if faults else (_ENVIRONMENT.from_string(source), [])
    except TemplateSyntaxError as exc:
        message = f"not a valid template: {exc.message}"
        return None, [Fault(file, message, "Correct the syntax", line + exc.lineno - 1)]
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        # Python's own limits on nesting and on the digits of a number, met while parsing or compiling.
        return None, [Fault(file, "the template is nested too deeply or holds too long a number", "Simplify it", line)]


def render_section(template: Template, variables: Mapping[str, Any], file: str) -> str:
    """Render a compiled section, stripped of outer white space.

    Raises:
        PromptError: A value is missing, or the output is over `MAX_OUTPUT_CHARS`.
    """
    parts: list[str] = []
    size = 0
    try:
        for part in template.generate(variables):
            size += len(part)
            if size > MAX_OUTPUT_CHARS:
                message = f"the rendered text is over {MAX_OUTPUT_CHARS:,} characters"
                raise PromptError([Fault(file, message, "Shorten the template or its values")])
            parts.append(part)
    except UndefinedError as exc:
        fix = "Guard it with `is defined`, or use a value that every sample has"
        raise PromptError([Fault(file, str(exc.message), fix)]) from None
    except (TemplateError, TypeError, ValueError, ArithmeticError) as exc:
        raise PromptError([Fault(file, f"cannot be rendered: {exc}", "Correct the expression")]) from None
    return "".join(parts).strip()
