"""``graph/nodes.csv`` and ``graph/edges.csv``: the knowledge graph as a pack writes it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from routenator.engine.display import show
from routenator.engine.domain.pack import DomainSpec, EdgeType, GraphEdge, GraphNode
from routenator.engine.domain.text_rules import NODE_ID, find_text_problem
from routenator.engine.errors import DomainError, Fault
from routenator.engine.yaml_source import read_text

NODE_COLUMNS = ("id", "type", "label", "aliases", "categories", "functions")
NODE_WEIGHT = "weight"
"""A seventh column of ``nodes.csv``; without it every node weighs 1."""
EDGE_COLUMNS = ("source", "target", "type", "weight")
MAX_CSV_BYTES = 500_000_000


def read_nodes(
    path: Path, spec: DomainSpec | None, functions: Collection[str] | None, faults: list[Fault]
) -> tuple[GraphNode, ...]:
    """Read the nodes; every fault goes to ``faults``.

    Args:
        path: Of ``nodes.csv``.
        spec: For the node types and the categories; ``None`` when ``domain.yaml`` is faulty: they are not checked.
        functions: Names of the functions, or ``None`` when ``functions.json`` is faulty.
        faults: Receives what is wrong.
    """
    file = str(path)
    nodes: list[GraphNode] = []
    first_lines: dict[str, int] = {}
    for line, (id_, type_, label, *lists) in _read_rows(path, faults, NODE_COLUMNS, (*NODE_COLUMNS, NODE_WEIGHT)):
        if not NODE_ID.match(id_):
            fix = "Use letters, digits, _ . : / and -, at most 128, starting with a letter, a digit or _"
            faults.append(Fault(file, f"{show(id_)!r} is not a node id", fix, line, "id"))
        elif id_ in first_lines:
            message = f"node {id_!r} is defined twice (first on line {first_lines[id_]})"
            faults.append(Fault(file, message, "Rename or remove one of them", line, "id"))
            continue
        first_lines[id_] = line
        if spec is not None and type_ not in spec.node_types:
            fix = f"Use one of {', '.join(spec.node_types)}"
            faults.append(Fault(file, f"{show(type_)!r} is not a node type of domain.yaml", fix, line, "type"))
        if problem := find_text_problem(label):
            faults.append(Fault(file, f"the label {problem}", "Write a short label", line, "label"))
        aliases, categories, names = (_split(value) for value in lists[:3])
        faults.extend(
            Fault(file, f"an alias {problem}", "Correct it, or remove it", line, "aliases")
            for problem in map(find_text_problem, aliases)
            if problem
        )
        if spec is not None:
            faults.extend(_unknown(file, line, "categories", "category", categories, spec.categories))
        if functions is not None:
            faults.extend(_unknown(file, line, "functions", "function", names, functions))
        weight = _read_weight(file, line, lists[3], faults) if len(lists) > 3 else 1.0
        # A node with a faulty weight stays, so that its edges are not faults too.
        nodes.append(GraphNode(id_, type_, label, aliases, frozenset(categories), frozenset(names), weight or 1.0))
    return tuple(nodes)


def read_edges(
    path: Path, edge_types: Sequence[EdgeType] | None, nodes: Mapping[str, GraphNode], faults: list[Fault]
) -> tuple[GraphEdge, ...]:
    """Read the edges; every fault goes to ``faults``.

    Args:
        path: Of ``edges.csv``.
        edge_types: As declared, or ``None`` when ``domain.yaml`` is faulty: types are not checked.
        nodes: Node id → node.
        faults: Receives what is wrong.
    """
    file = str(path)
    types = None if edge_types is None else {edge_type.name: edge_type for edge_type in edge_types}
    edges: list[GraphEdge] = []
    first_lines: dict[tuple[str, str, str], int] = {}
    for line, (source, target, type_, weight_text) in _read_rows(path, faults, EDGE_COLUMNS):
        key = (source, target, type_)
        if key in first_lines:
            message = f"edge {show(source)} -> {show(target)} is given twice (first on line {first_lines[key]})"
            faults.append(Fault(file, message, "Keep one of them", line))
            continue
        first_lines[key] = line
        for column, id_ in (("source", source), ("target", target)):
            if id_ not in nodes:
                fix = "Correct the id, or add the node to nodes.csv"
                faults.append(Fault(file, f"node {show(id_)!r} does not exist", fix, line, column))
        if types is not None:
            faults.extend(_check_edge_type(file, line, key, types, nodes))
        weight = _read_weight(file, line, weight_text, faults)
        if weight is not None:
            edges.append(GraphEdge(source, target, type_, weight))
    return tuple(edges)


def _check_edge_type(
    file: str, line: int, key: tuple[str, str, str], types: Mapping[str, EdgeType], nodes: Mapping[str, GraphNode]
) -> Iterator[Fault]:
    source, target, type_ = key
    declared = types.get(type_)
    if declared is None:
        fix = f"Use one of {', '.join(types)}, or declare it under edge_types in domain.yaml"
        yield Fault(file, f"edge type {show(type_)!r} is not declared", fix, line, "type")
        return
    for column, id_, wanted in (("source", source, declared.source), ("target", target, declared.target)):
        node = nodes.get(id_)
        if node is not None and node.type != wanted:
            message = f"{id_!r} is of type {show(node.type)}, but {type_} joins {declared.source} to {declared.target}"
            yield Fault(file, message, f"Name a node of type {wanted}, or correct the edge's type", line, column)


def _read_weight(file: str, line: int, text: str, faults: list[Fault]) -> float | None:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if math.isfinite(weight) and weight > 0:
        return weight
    faults.append(Fault(file, f"{show(text)!r} is not a weight", "Give a finite number above 0", line, "weight"))
    return None


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|")) if text else ()


def _unknown(
    file: str, line: int, column: str, noun: str, values: Sequence[str], known: Collection[str]
) -> Iterator[Fault]:
    for value in values:
        if value not in known:
            fix = f"Use some of {', '.join(known)}, separated by |"
            yield Fault(file, f"{show(value)!r} is not a {noun} of the pack", fix, line, column)


def _read_rows(path: Path, faults: list[Fault], *headers: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line and stripped fields of every row that has as many of them as the header, which is one of ``headers``."""
    file = str(path)
    try:
        text = read_text(path, DomainError, MAX_CSV_BYTES)
    except DomainError as exc:
        faults.extend(exc.faults)
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = tuple(name.strip() for name in next(reader, []))
        if header not in headers:
            message = f"the header is {show(','.join(header))[:200]!r}"
            fix = f"The first line must be {' or '.join(map(','.join, headers))}"
            faults.append(Fault(file, message, fix, 1))
            return
        for row in reader:
            if len(row) == len(header):
                yield reader.line_num, [field.strip() for field in row]
            elif row:
                message = f"the row has {len(row)} fields, the header has {len(header)}"
                fix = "Add the missing commas, or quote a field that holds a comma"
                faults.append(Fault(file, message, fix, reader.line_num))
    except csv.Error as exc:
        faults.append(Fault(file, f"not valid CSV: {exc}", "Correct the quoting", reader.line_num))
