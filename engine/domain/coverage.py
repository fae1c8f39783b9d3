"""Whether a pack can deliver its targets: known names, fittable marginals, and a walk for every wanted cell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import Any

from routenator.engine.display import show
from routenator.engine.domain.functions_file import allowed_categories
from routenator.engine.domain.pack import NO_CATEGORY, ArgumentRoles, DomainSpec, FunctionTool, GraphEdge, GraphNode
from routenator.engine.errors import Fault
from routenator.engine.routing.fitting import FittedTable, UnsatisfiableTargets, fit_targets
from routenator.engine.routing.targets import (
    CASINGS,
    KEYWORD_POSITIONS,
    NOISES,
    PHRASINGS,
    PUNCTUATIONS,
    Marginal,
    Targets,
    parse_length_band,
)
from routenator.engine.sample import MODALITIES, NO_ARGUMENTS, Stratum
from routenator.engine.yaml_source import FieldPath, YamlSource

Cell = tuple[str, str]
"""Function and category."""


def check_names(
    source: YamlSource, targets: Targets, spec: DomainSpec, functions: Collection[str] | None
) -> list[Fault]:
    """A fault for each value of an axis that the pack does not know.

    Args:
        source: ``targets.yaml``.
        targets: What it says.
        spec: For categories and languages.
        functions: Names of the functions, or ``None`` when ``functions.json`` is faulty: they are not checked.
    """
    known: dict[str, Collection[str]] = {
        "route": MODALITIES,
        "category": (*spec.categories, *([NO_CATEGORY] if spec.spoken_arguments else [])),
        "casing": CASINGS,
        "noise": NOISES,
        "punctuation": PUNCTUATIONS,
        "language": spec.languages,
        "phrasing": PHRASINGS,
        "keyword_position": KEYWORD_POSITIONS,
    }
    if functions is not None:
        known["function"] = functions
    faults = []
    for path, axis, value in _named_values(targets):
        if axis == "length":
            try:
                parse_length_band(value)
            except ValueError as exc:
                faults.append(source.fault(path, str(exc), "Correct the band"))
        elif axis == "arguments":
            if problem := _problem_of_arguments(value, spec):
                faults.append(source.fault(path, f"{show(value)!r} {problem}", "Write it as in artist+track"))
        elif axis in known and value not in known[axis]:
            fix = f"Use one of {', '.join(known[axis])}"
            faults.append(source.fault(path, f"unknown {axis} {show(value)!r}", fix))
    return faults


def _problem_of_arguments(value: str, spec: DomainSpec) -> str | None:
    names = [] if value == NO_ARGUMENTS else value.split("+")
    if names != sorted(set(names)):
        return "does not name arguments in alphabetical order, each once"
    if not any(known.issuperset(names) for known in spec.spoken_arguments.values()):
        return "are not spoken arguments of one function"
    return None


def fit_with_faults(source: YamlSource, targets: Targets, faults: list[Fault]) -> tuple[FittedTable, ...] | None:
    """The fitted tables, or ``None`` with the reasons in ``faults``."""
    try:
        return fit_targets(targets)
    except UnsatisfiableTargets as exc:
        faults.extend(source.fault(fault.path, fault.message, fault.fix) for fault in exc.faults)
        return None


def check_cells(
    source: YamlSource,
    tables: Sequence[FittedTable],
    spec: DomainSpec,
    functions: Sequence[FunctionTool],
    reached: set[Cell],
) -> list[Fault]:
    """A fault for each wanted cell that a function's enum forbids or that no walk reaches."""
    faults = _check_argument_cells(source, tables, spec, functions)
    enums = {function.name: allowed_categories(function, spec) for function in functions}
    for function, category in wanted_cells(tables):
        cell = f"the targets want function={function}, category={category}"
        path = _path_of_cell(source, function, category)
        if category not in enums[function]:
            message = f"{cell}, but the function's enum does not allow that category"
            faults.append(source.fault(path, message, "Give it no share, or add it to the enum in functions.json"))
        elif (function, category) not in reached:
            message = f"{cell}, but no walk reaches an end where both are valid"
            fix = "Give it no share, or add nodes or edges to the graph that lead there"
            faults.append(source.fault(path, message, fix))
    return faults


def _check_argument_cells(
    source: YamlSource, tables: Sequence[FittedTable], spec: DomainSpec, functions: Sequence[FunctionTool]
) -> list[Fault]:
    """A fault for each function whose spoken arguments the targets do not name, or name wrongly."""
    if not spec.spoken_arguments:
        return []
    table = next((t for t in tables if {"function", "category", "arguments"} <= set(t.axes)), None)
    if table is None:
        message = "arguments are spoken, and no table joins function, category and arguments"
        return [source.fault(("tables",), message, "Declare one, or have it written by routenator fit")]
    at = [table.axes.index(axis) for axis in ("function", "category", "arguments")]
    required = {f.name: frozenset(f.parameters.get("required", ())) for f in functions}
    found: dict[tuple[str, str], Fault] = {}
    for function, category, arguments in dict.fromkeys(tuple(cell[i] for i in at) for cell in table.cells):
        roles = spec.roles.get(function)
        if roles is None or not roles.spoken:
            continue
        problem = _problem_of_cell(roles, category, arguments, required[function])
        if problem is not None:
            cell = f"function={function}, category={category}, arguments={arguments}"
            path = _path_of_cell(source, function, arguments)
            fault = source.fault(
                path, f"the targets want {cell}, but {problem}", "Give the cell no share: name it in zero"
            )
            found.setdefault((function, problem), fault)
    return list(found.values())


def _problem_of_cell(roles: ArgumentRoles, category: str, arguments: str, required: frozenset[str]) -> str | None:
    names = Stratum("", "", category, arguments=arguments).present
    if foreign := names - roles.spoken.keys():
        return f"the function has no argument {sorted(foreign)[0]}"
    if missing := required - names:
        return f"{sorted(missing)[0]} is required"
    if (category == NO_CATEGORY) == (roles.category in names):
        return f"category is {NO_CATEGORY} just where {roles.category or 'a category argument'} is absent"
    return None


def wanted_cells(tables: Sequence[FittedTable]) -> list[Cell]:
    """Function and category of every cell with a share, in the targets' order."""
    for table in tables:
        if "function" in table.axes and "category" in table.axes:
            at = table.axes.index("function"), table.axes.index("category")
            return list(dict.fromkeys((cell[at[0]], cell[at[1]]) for cell in table.cells))
    by_axis = {axis: table.marginal(axis) for table in tables for axis in table.axes}
    return list(product(by_axis["function"], by_axis["category"]))


def reachable_cells(
    spec: DomainSpec, functions: Collection[str], nodes: Sequence[GraphNode], edges: Sequence[GraphEdge]
) -> set[Cell]:
    """Function and category pairs for which a whole walk exists whose every node allows both.

    One pass over the edges: bit i of a node's mask says that a walk may come here with pair i still allowed. Where
    arguments are spoken, a node of the category argument that names the category is enough.
    """
    spoken = {
        cell for function, roles in spec.roles.items() if roles.spoken for cell in _spoken_cells(function, roles, nodes)
    }
    if not spec.walk:
        return spoken
    cells = list(product((f for f in functions if f not in spec.spoken_arguments), spec.categories))
    every = (1 << len(cells)) - 1
    of_function = {f: sum(1 << i for i, cell in enumerate(cells) if cell[0] == f) for f in functions}
    of_category = {c: sum(1 << i for i, cell in enumerate(cells) if cell[1] == c) for c in spec.categories}
    allowed = {}
    for node in nodes:
        mask = every
        if node.functions:
            mask &= sum(of_function.get(f, 0) for f in node.functions)
        if node.categories:
            mask &= sum(of_category.get(c, 0) for c in node.categories)
        allowed[node.id] = mask
    reached = {node.id: allowed[node.id] for node in nodes if node.type == spec.walk[0]}
    types = {node.id: node.type for node in nodes}
    by_layer: dict[tuple[str, str], list[GraphEdge]] = {}
    for edge in edges:
        by_layer.setdefault((types[edge.source], types[edge.target]), []).append(edge)
    for layer in zip(spec.walk, spec.walk[1:], strict=False):
        for edge in by_layer.get(layer, ()):
            if here := reached.get(edge.source, 0):
                reached[edge.target] = reached.get(edge.target, 0) | (here & allowed[edge.target])
    final = 0
    for node in nodes:
        if node.type == spec.walk[-1]:
            final |= reached.get(node.id, 0)
    return spoken | {cell for i, cell in enumerate(cells) if final >> i & 1}


def _spoken_cells(function: str, roles: ArgumentRoles, nodes: Sequence[GraphNode]) -> Iterator[Cell]:
    yield function, NO_CATEGORY
    for node in nodes:
        serves = not node.functions or function in node.functions
        if roles.category is not None and node.type == roles.spoken.get(roles.category) and serves:
            yield from ((function, category) for category in node.categories)


def _named_values(targets: Targets) -> Iterator[tuple[FieldPath, str, str]]:
    """Path, axis and value of every name that the marginals use; other keys are for the fitting to refuse."""
    for t, table in enumerate(targets.tables):
        for m, marginal in enumerate(table.marginals):
            yield from _names_of_marginal(marginal, ("tables", t, "marginals", m, "shares"))


def _names_of_marginal(marginal: Marginal, path: FieldPath) -> Iterator[tuple[FieldPath, str, str]]:
    axes = (*marginal.given, *marginal.axes)

    def descend(node: Any, here: FieldPath, depth: int) -> Iterator[tuple[FieldPath, str, str]]:
        if depth == len(axes) or not isinstance(node, dict):
            return
        for key, child in node.items():
            if isinstance(key, str):
                yield (*here, key), axes[depth], key
            yield from descend(child, (*here, key), depth + 1)

    yield from descend(marginal.shares, path, 0)


def _path_of_cell(source: YamlSource, function: str, category: str) -> FieldPath:
    """The key that gives a cell its share: one that names both, else the first that names the category."""
    naming = [path for path in source.lines if path and path[-1] == category and "shares" in path]
    both = [path for path in source.lines if function in path and category in path and path[-1] in (function, category)]
    return min(both, key=len, default=min(naming, key=len, default=("tables",)))
