"""A marginal's nested shares, read into flat arrays with every fault named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from routenator.engine.errors import RouteNatorError
from routenator.engine.routing.targets import Marginal

TargetPath = tuple[str | int, ...]


class TargetFault(NamedTuple):
    """One thing that is wrong in the targets; the pack's loader adds file and line.

    Attributes:
        path: Keys from the top of ``targets.yaml``, such as ``("tables", 0, "marginals", 1, "shares", "en")``.
        message: What is wrong, with the offending value.
        fix: What to do about it, in the imperative.
    """

    path: TargetPath
    message: str
    fix: str


class UnsatisfiableTargets(RouteNatorError):  # noqa: N818
    """The targets are malformed, or no joint distribution has them as its marginals."""

    def __init__(self, faults: list[TargetFault]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{'.'.join(map(str, f.path))}: {f.message}. {f.fix}" for f in faults))


@dataclass(frozen=True, slots=True)
class MarginalShares:
    """The cells of one marginal that have a share above zero.

    Attributes:
        axes: ``given`` axes, then the marginal's own.
        cells: int64, (cells, axes); codes of the axes' values.
        groups: int64, (cells,); the given cell that a cell belongs to. All zero without ``given``.
        shares: float64, (cells,); they sum to 1 inside each group.
        conditional: Whether shares are conditional on the given cell.
    """

    axes: tuple[str, ...]
    cells: NDArray[np.int64]
    groups: NDArray[np.int64]
    shares: NDArray[np.float64]
    conditional: bool


def _leaf_problem(value: Any) -> str | None:
    if isinstance(value, dict):
        return "is a mapping where a share is expected"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {value!r}, not a number"
    try:
        number = float(value)
    except OverflowError:
        return "is too large a number"
    if not math.isfinite(number):
        return f"is {value}, not a finite number"
    if number < 0:
        return f"is {value}, below zero"
    return None


def read_shares(
    marginal: Marginal, path: TargetPath, values: dict[str, dict[str, int]], faults: list[TargetFault]
) -> MarginalShares:
    """Flatten a marginal's shares.

    Args:
        marginal: What the user wrote.
        path: Path of the marginal in the targets.
        values: Axis → value → code; values that appear here first are added in their order.
        faults: Receives what is wrong.

    Returns:
        The cells with a share above zero; meaningless when faults were added.
    """
    axes = (*marginal.given, *marginal.axes)
    cells: list[tuple[int, ...]] = []
    weights: list[float] = []
    found: list[TargetFault] = []

    def descend(node: dict[Any, Any], where: TargetPath, codes: tuple[int, ...]) -> None:
        axis = axes[len(codes)]
        first = len(weights)
        for key, child in node.items():
            here = (*where, key)
            if not isinstance(key, str):
                found.append(TargetFault(here, f"{axis} {key!r} is not text", "Put it in quotes"))
                continue
            cell = (*codes, values[axis].setdefault(key, len(values[axis])))
            if len(cell) < len(axes):
                if isinstance(child, dict):
                    descend(child, here, cell)
                else:
                    message = f"{axis} {key!r} has no shares by {axes[len(cell)]} below it"
                    found.append(TargetFault(here, message, f"Nest the shares by {', '.join(axes)}"))
            elif problem := _leaf_problem(child):
                fix = (
                    f"Nest the shares by {', '.join(axes)}" if isinstance(child, dict) else "Give a number of 0 or more"
                )
                found.append(TargetFault(here, f"the share of {axis} {key!r} {problem}", fix))
            elif child > 0:
                cells.append(cell)
                weights.append(float(child))
        if len(codes) == len(marginal.given) and first == len(weights) and not found:
            fix = "Leave it out, or give one of its shares a number above 0" if codes else "Give one a number above 0"
            found.append(TargetFault(where, "all shares are zero", fix))

    descend(marginal.shares, (*path, "shares"), ())
    faults.extend(found)

    flat = np.array(cells, dtype=np.int64).reshape(len(cells), len(axes))
    weight = np.array(weights, dtype=np.float64)
    group = np.zeros(len(flat), dtype=np.int64)
    if marginal.given and len(flat):
        group = np.unique(flat[:, : len(marginal.given)], axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if len(flat):
        # By each group's largest weight first: the sum of two huge weights would overflow.
        largest = np.zeros(int(group.max()) + 1)
        np.maximum.at(largest, group, weight)
        weight = weight / largest[group]
        weight = weight / np.bincount(group, weight)[group]
    return MarginalShares(axes, flat, group, weight, bool(marginal.given))
