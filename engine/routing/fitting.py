"""The targets' tables as fitted joint distributions, or every reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from routenator.engine.display import show
from routenator.engine.routing.joint import TOLERANCE, Constraint, solve_joint
from routenator.engine.routing.shares import (
    MarginalShares,
    TargetFault,
    TargetPath,
    UnsatisfiableTargets,
    read_shares,
)
from routenator.engine.routing.targets import Table, Targets

__all__ = ["MAX_CELLS", "FittedTable", "TargetFault", "UnsatisfiableTargets", "fit_targets", "without_route"]

MAX_CELLS = 200_000
"""Most cells that a joint table may have."""

_MAX_NAMED_CELLS = 8


@dataclass(frozen=True, eq=False)
class FittedTable:
    """One joint target, ready to be dealt out.

    Attributes:
        axes: Outermost first.
        cells: Values in the order of ``axes``; tree order: values in the order of their first appearance in the file.
        shares: float64, (cells,); above zero, they sum to 1.
    """

    axes: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    shares: NDArray[np.float64]

    @cached_property
    def share_by_cell(self) -> dict[tuple[str, ...], float]:
        """Cell → share."""
        return dict(zip(self.cells, self.shares.tolist(), strict=True))

    def marginal(self, axis: str) -> dict[str, float]:
        """Value → share along one axis, in tree order.

        Raises:
            ValueError: The table has no such axis.
        """
        at = self.axes.index(axis)
        sums: dict[str, float] = {}
        for cell, share in zip(self.cells, self.shares.tolist(), strict=True):
            sums[cell[at]] = sums.get(cell[at], 0.0) + share
        return sums


def fit_targets(targets: Targets) -> tuple[FittedTable, ...]:
    """Fit a joint distribution to each table's marginals.

    The fit is the distribution of largest entropy that has the marginals and the structural zeros.

    Raises:
        UnsatisfiableTargets: With every fault of every table: malformed shares, unknown names in ``zero``, too many
            cells, or cells that no joint distribution can meet.
    """
    faults: list[TargetFault] = []
    fitted = [_fit_table(table, ("tables", i), faults) for i, table in enumerate(targets.tables)]
    if faults:
        raise UnsatisfiableTargets(faults)
    return tuple(table for table in fitted if table is not None)


def without_route(tables: Sequence[FittedTable], route: str) -> tuple[FittedTable, ...]:
    """Move a route's share to the other routes, in proportion, inside each cell of the other axes.

    Every marginal that does not speak of routes keeps its shares.

    Raises:
        UnsatisfiableTargets: Some cells have no other route; they are named.
    """
    return tuple(_without_route(table, route, i) if "route" in table.axes else table for i, table in enumerate(tables))


def _without_route(table: FittedTable, route: str, number: int) -> FittedTable:
    at = table.axes.index("route")
    contexts = [cell[:at] + cell[at + 1 :] for cell in table.cells]
    code: dict[tuple[str, ...], int] = {}
    context = np.array([code.setdefault(c, len(code)) for c in contexts], dtype=np.int64)
    gone = np.array([cell[at] == route for cell in table.cells], dtype=bool)
    moved = np.bincount(context, table.shares * gone, minlength=len(code))
    kept = np.bincount(context, table.shares * ~gone, minlength=len(code))
    stranded = (moved > 0) & (kept == 0)
    if stranded.any():
        axes = table.axes[:at] + table.axes[at + 1 :]
        names = [_name_cell(axes, c) for c, i in code.items() if stranded[i]]
        message = f"route {show(route)!r} is the only one for {_enumerate(names or ['all rows'])}"
        fix = "Give these cells another route in targets.yaml, or make this route available"
        raise UnsatisfiableTargets([TargetFault(("tables", number), message, fix)])
    growth = np.divide(moved + kept, kept, out=np.ones_like(kept), where=kept > 0)
    shares = (table.shares * growth[context])[~gone]
    cells = tuple(cell for cell, is_gone in zip(table.cells, gone, strict=True) if not is_gone)
    return FittedTable(table.axes, cells, shares / shares.sum())


def _fit_table(table: Table, path: TargetPath, faults: list[TargetFault]) -> FittedTable | None:
    found: list[TargetFault] = []
    values: dict[str, dict[str, int]] = {axis: {} for axis in table.axes}
    marginals = [
        read_shares(marginal, (*path, "marginals", i), values, found) for i, marginal in enumerate(table.marginals)
    ]
    zeros = _read_zeros(table, path, values, found)
    if found:
        faults.extend(found)
        return None
    cells = _support(table, marginals, zeros, values)
    if cells is None:
        message = f"the table has more than {MAX_CELLS:,} cells"
        faults.append(TargetFault(path, message, "Split it into tables over fewer axes"))
        return None
    names = [list(values[axis]) for axis in table.axes]
    constraints = [Constraint.over(cells, table.axes, marginal) for marginal in marginals]
    joint = solve_joint(constraints, len(cells))
    unmet = _find_unmet(constraints, joint, names, table.axes, path)
    if unmet:
        faults.extend(unmet)
        return None
    kept = joint > 0
    shares = joint[kept]
    named = tuple(tuple(names[a][code] for a, code in enumerate(cell)) for cell in cells[kept].tolist())
    return FittedTable(table.axes, named, shares / shares.sum())


def _read_zeros(
    table: Table, path: TargetPath, values: dict[str, dict[str, int]], faults: list[TargetFault]
) -> list[dict[str, list[int]]]:
    """Structural zeros as axis → codes."""
    zeros = []
    for i, entry in enumerate(table.zero):
        here = (*path, "zero", i)
        if not entry:
            faults.append(
                TargetFault(here, "the entry is empty and would match every cell", "Name an axis, or remove it")
            )
        codes: dict[str, list[int]] = {}
        for axis, wanted in entry.items():
            if axis not in table.axes:
                fix = f"Use one of {', '.join(table.axes)}"
                faults.append(TargetFault((*here, axis), f"{show(axis)!r} is not one of the table's axes", fix))
                continue
            for value in wanted:
                if value not in values[axis]:
                    message = f"no marginal speaks of {axis} {show(value)!r}"
                    faults.append(TargetFault((*here, axis), message, "Correct its spelling, or remove it"))
            codes[axis] = [values[axis][value] for value in wanted if value in values[axis]]
        zeros.append(codes)
    return zeros


def _support(
    table: Table,
    marginals: list[MarginalShares],
    zeros: list[dict[str, list[int]]],
    values: dict[str, dict[str, int]],
) -> NDArray[np.int64] | None:
    """Joint cells that no marginal and no zero rules out, in tree order; ``None`` when there are too many."""
    cells = np.zeros((1, 0), dtype=np.int64)
    for depth, axis in enumerate(table.axes, start=1):
        count = len(values[axis])
        if len(cells) * count > 20 * MAX_CELLS:
            return None
        cells = np.column_stack([np.repeat(cells, count, axis=0), np.tile(np.arange(count), len(cells))])
        for marginal in marginals:
            shared = [a for a in table.axes[:depth] if a in marginal.axes]
            if axis in shared:
                sizes = [len(values[a]) for a in shared]
                allowed = _pack(marginal.cells[:, [marginal.axes.index(a) for a in shared]], sizes)
                cells = cells[np.isin(_pack(cells[:, [table.axes.index(a) for a in shared]], sizes), allowed)]
        for zero in zeros:
            if axis in zero and all(a in table.axes[:depth] for a in zero):
                hit = np.ones(len(cells), dtype=bool)
                for a, codes in zero.items():
                    hit &= np.isin(cells[:, table.axes.index(a)], codes)
                cells = cells[~hit]
    return cells if len(cells) <= MAX_CELLS else None


def _pack(cells: NDArray[np.int64], sizes: list[int]) -> NDArray[np.int64]:
    """One integer for each row of codes."""
    packed = np.zeros(len(cells), dtype=np.int64)
    for column, size in enumerate(sizes):
        packed = packed * size + cells[:, column]
    return packed


def _name_cell(axes: Sequence[str], cell: Sequence[str]) -> str:
    return ", ".join(f"{axis}={show(value)}" for axis, value in zip(axes, cell, strict=True))


def _enumerate(names: list[str]) -> str:
    shown = "; ".join(f"({name})" for name in names[:_MAX_NAMED_CELLS])
    return shown + (f"; and {len(names) - _MAX_NAMED_CELLS} more" if len(names) > _MAX_NAMED_CELLS else "")


def _find_unmet(
    constraints: list[Constraint],
    joint: NDArray[np.float64],
    names: list[list[str]],
    axes: tuple[str, ...],
    path: TargetPath,
) -> list[TargetFault]:
    """One fault for each marginal that the joint misses, the worst cells first."""
    empty = [np.bincount(c.members, minlength=len(c.shares.shares)) == 0 for c in constraints]
    faults = []
    for number, constraint in enumerate(constraints):
        reached = constraint.reached(joint)
        wanted = constraint.wanted(reached)
        if constraint.shares.conditional:
            # A given cell that the joint never reaches wants nothing of its own; another marginal names it.
            held = np.bincount(constraint.shares.groups, reached)[constraint.shares.groups]
        else:
            held = np.ones_like(reached)
        error = np.abs(wanted - reached)
        missed = error > TOLERANCE
        if any(e.any() for e in empty):
            # Cells without a single joint cell are the cause, the rest is what follows from it.
            missed = empty[number]
            error = np.where(missed, constraint.shares.shares, 0.0)
        if not missed.any():
            continue
        described = []
        for i in np.argsort(-error, kind="stable"):
            if missed[i]:
                cell = [
                    names[axes.index(a)][code]
                    for a, code in zip(constraint.shares.axes, constraint.shares.cells[i], strict=True)
                ]
                share = reached[i] / held[i] if held[i] > 0 else 0.0
                name = _name_cell(constraint.shares.axes, cell)
                described.append(f"{name}: wanted {constraint.shares.shares[i]:.6g}, reached {share:.6g}")
        message = f"no joint table over {', '.join(axes)} meets this marginal: {_enumerate(described)}"
        fix = "Change these shares, or the zeros and other marginals that leave them no room"
        faults.append(TargetFault((*path, "marginals", number), message, fix))
    return faults
