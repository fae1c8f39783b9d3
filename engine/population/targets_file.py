"""Write a fit as ``targets.yaml``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routenator.engine.population.result import FittedAxis, PopulationFit
from routenator.engine.population.shares import Share

_WIDTH = 118
_PLAIN = re.compile(r"[A-Za-z][\w+-]*|\d{1,3}-\d{1,3}")
_NO_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}  # YAML 1.1 reads these as something else
_COUNTED = ("function", "arguments", "category")
"""Axes whose weights are rows: those of arguments and categories must agree to the last digit."""


def write_targets(fit: PopulationFit, date: str) -> str:
    """The file's text; `routenator.engine.routing.targets.Targets` reads it.

    Args:
        fit: What was estimated.
        date: Of today, ISO 8601, for the comment.
    """
    lines = [*_header(fit, date), "tables:"]
    for axes in _tables(fit.axes):
        lines.append(f"  - axes: [{', '.join(axis.axis for axis in axes)}]")
        lines.append("    marginals:")
        for axis in axes:
            lines.append(f"      - axes: [{axis.axis}]")
            if axis.given:
                lines.append(f"        given: [{', '.join(axis.given)}]")
            lines += _shares(_nest(axis), len(axis.given))
        zeros = [zero for zero in fit.zeros if set(zero) <= {axis.axis for axis in axes}]
        if zeros:
            lines.append("    zero:")
            lines += [line for zero in zeros for line in _zero(zero)]
    for table in fit.kept:
        lines.append("  # From the pack's targets before this fit: the queries have no labels.")
        lines.append(f"  - axes: [{', '.join(table['axes'])}]")
        lines.append("    marginals:")
        lines.append(f"      - axes: [{', '.join(table['axes'])}]")
        lines += _shares(table["marginals"][0]["shares"], len(table["axes"]) - 1)
    return "\n".join(lines) + "\n"


def _header(fit: PopulationFit, date: str) -> Iterator[str]:
    source = fit.source if fit.source.isprintable() else "queries"
    yield f"# Estimated by `routenator fit` on {date}; holds counts, and no text of a query."
    yield f"# Source: {source}, SHA-256 {fit.sha256}"
    yield f"# Rows: {fit.rows:,}, used: {fit.used:,}. Routes are not observed: they were given."
    yield "# Weights of function, arguments and category are rows; the others are per cent within their group."
    yield "# What the sample is too small for:"
    for limit in (*fit.limits, *fit.notices):
        yield from textwrap.wrap(limit, _WIDTH, initial_indent="# - ", subsequent_indent="#   ")


def _tables(axes: Sequence[FittedAxis]) -> list[list[FittedAxis]]:
    """Axes that hang together by what they are given, in their order."""
    tables: list[list[FittedAxis]] = []
    for axis in axes:
        joined = next((t for t in tables if any(other.axis in axis.given for other in t)), None)
        if joined is None:
            tables.append([axis])
        else:
            joined.append(axis)
    return tables


def _nest(axis: FittedAxis) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for share in axis.shares:
        node = nested
        for value in share.given:
            node = node.setdefault(value, {})
        node[share.value] = share
    if axis.axis not in _COUNTED:
        return _map_leaves(nested, lambda share: _percent(share.share))
    return _map_leaves(nested, lambda share: share.share * share.of) if axis.axis != "category" else {
        function: _whole_thousandths(shares) for function, shares in nested.items()
    }  # fmt: skip


def _map_leaves(node: Mapping[str, Any], change: Any) -> dict[str, Any]:
    return {
        key: _map_leaves(child, change) if isinstance(child, dict) else change(child) for key, child in node.items()
    }


def _percent(share: float) -> float:
    return max(0.01, round(100 * share, 2 if share < 0.1 else 1))


def _whole_thousandths(shares: Mapping[str, Share]) -> dict[str, float]:
    """Rows of each category in thousandths, whose sum is a whole number of rows wherever that of the shares is."""
    exact = {value: 1000 * share.share * share.of for value, share in shares.items()}
    units = {value: int(weight + 1e-6) for value, weight in exact.items()}
    spare = round(sum(exact.values())) - sum(units.values())
    for value in sorted(exact, key=lambda value: units[value] - exact[value])[:spare]:
        units[value] += 1
    return {value: weight / 1000 for value, weight in units.items()}


def _shares(nested: Mapping[str, Any], depth: int, indent: int = 8) -> Iterator[str]:
    """``shares:`` with the last level of the nesting on a line of its own."""
    if depth == 0:
        yield from _flow("shares", nested, indent)
        return
    yield " " * indent + "shares:"
    yield from _levels(nested, depth, indent + 2)


def _levels(nested: Mapping[str, Any], depth: int, indent: int) -> Iterator[str]:
    for key, child in nested.items():
        if depth == 1:
            yield from _flow(_scalar(key), child, indent)
        else:
            yield " " * indent + _scalar(key) + ":"
            yield from _levels(child, depth - 1, indent + 2)


def _flow(key: str, weights: Mapping[str, float], indent: int) -> Iterator[str]:
    items = [f"{_scalar(value)}: {weight:.10g}" for value, weight in weights.items()]
    yield from _wrap(f"{' ' * indent}{key}: {{", items, "}")


def _zero(zero: Mapping[str, Sequence[str]]) -> Iterator[str]:
    items = [f"{axis}: [{', '.join(map(_scalar, values))}]" for axis, values in zero.items()]
    yield from _wrap("      - {", items, "}")


def _wrap(start: str, items: Sequence[str], end: str) -> Iterator[str]:
    """Items between braces, on as many lines as they need; an item is broken at its own commas only if it must."""
    line = start
    pieces = [piece for item in items for piece in (item + ",").split(", ")]
    pieces = [piece if piece.endswith(",") else piece + "," for piece in pieces]
    pieces[-1] = pieces[-1][:-1] + end
    for piece in pieces:
        if len(line) + len(piece) > _WIDTH and not line.endswith("{"):
            yield line.rstrip()
            indent = len(start) - len(start.lstrip())
            line = " " * (len(start) if len(start) <= _WIDTH // 2 else indent + 4)
        line += piece + " "
    yield line.rstrip()


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.casefold() not in _NO_TEXT:
        return value
    return "'" + value.replace("'", "''") + "'"
