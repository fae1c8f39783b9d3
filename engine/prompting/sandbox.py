"""Render untrusted templates: a small, strict subset of Jinja2.

A template comes with a domain pack, so it is data from somebody else. `ImmutableSandboxedEnvironment` keeps it away
from Python's internals; on top of that, what could eat memory or time (calls, powers, products, includes, macros,
unknown filters) is refused when the template is loaded, and the output is cut off at a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from routenator.engine.errors import Fault, PromptError

MAX_TEMPLATE_CHARS = 50_000
MAX_OUTPUT_CHARS = 50_000
ALLOWED_FILTERS = frozenset(
    {"capitalize", "default", "first", "join", "last", "length", "lower", "title", "tojson", "upper"}
)
_REFUSED: tuple[type[nodes.Node], ...] = (
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
)

_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


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
            Fault(
                file,
                f"unknown filter {node.name!r}",
                f"Use one of {', '.join(sorted(ALLOWED_FILTERS))}",
                line + node.lineno - 1,
            )
            for node in tree.find_all(nodes.Filter)
            if node.name not in ALLOWED_FILTERS
        ]
        for name in sorted(meta.find_undeclared_variables(tree) - variables):
            at = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == name), 1)
            known = ", ".join(sorted(variables))
            faults.append(Fault(file, f"unknown variable {name!r}", f"The variables are {known}", line + at - 1, name))
        return (None, faults) if faults else (_ENVIRONMENT.from_string(source), [])
    except TemplateSyntaxError as exc:
        message = f"not a valid template: {exc.message}"
        return None, [Fault(file, message, "Correct the syntax", line + exc.lineno - 1)]


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
    except (TemplateError, TypeError, ValueError) as exc:
        raise PromptError([Fault(file, f"cannot be rendered: {exc}", "Correct the expression")]) from None
    return "".join(parts).strip()
