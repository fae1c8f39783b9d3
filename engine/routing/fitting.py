"""Joint tables from marginals, by iterative proportional fitting.

Source:
    Deming and Stephan (1940), "On a least squares adjustment of a sampled frequency table when the expected marginal
    totals are known"; conditional marginals are I-projections in the same way (Csiszár, 1975).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from routenator.engine.display import show
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

TOLERANCE = 1e-9
"""Largest difference between a marginal's cell and the joint's, as a share of all rows."""

_MAX_SWEEPS = 30_000
_SETTLE_SWEEPS = 128  # by then a cell that still shrinks like 1/sweeps has no other reason
_STALL_SWEEPS = 1_000
_TRIM_SWEEPS = 30
_WORK = 400_000_000  # cells times constraints times sweeps: some seconds
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


@dataclass(frozen=True, slots=True)
class _Constraint:
    """A marginal against the joint's cells: ``members[i]`` is the marginal's cell that joint cell ``i`` adds to."""

    shares: MarginalShares
    members: NDArray[np.int64]

    def wanted(self, reached: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each of the marginal's cells should hold, given what it holds now."""
        if not self.shares.conditional:
            return self.shares.shares
        return self.shares.shares * np.bincount(self.shares.groups, reached)[self.shares.groups]

    def reached(self, joint: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each of the marginal's cells holds now."""
        return np.bincount(self.members, joint, minlength=len(self.shares.shares)).astype(np.float64, copy=False)

    def scale(self, joint: NDArray[np.float64]) -> NDArray[np.float64]:
        """The joint nearest to ``joint`` (in relative entropy) that meets this marginal."""
        reached = self.reached(joint)
        ratio = np.divide(self.wanted(reached), reached, out=np.zeros_like(reached), where=reached > 0)
        return joint * ratio[self.members]

    def error(self, joint: NDArray[np.float64]) -> NDArray[np.float64]:
        """Wanted minus reached, for each of the marginal's cells."""
        reached = self.reached(joint)
        return self.wanted(reached) - reached


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
    constraints = [_constrain(marginal, table.axes, cells) for marginal in marginals]
    joint = _fit(constraints, len(cells))
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


def _constrain(marginal: MarginalShares, axes: tuple[str, ...], cells: NDArray[np.int64]) -> _Constraint:
    columns = [axes.index(axis) for axis in marginal.axes]
    rows = np.concatenate([marginal.cells, cells[:, columns]])
    _, codes = np.unique(rows, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    position = np.empty(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    position[codes[: len(marginal.cells)]] = np.arange(len(marginal.cells))
    return _Constraint(marginal, position[codes[len(marginal.cells) :]])


def _largest_error(constraints: list[_Constraint], joint: NDArray[np.float64]) -> float:
    return max(float(np.abs(c.error(joint)).max(initial=0.0)) for c in constraints) + abs(1.0 - float(joint.sum()))


def _fit(constraints: list[_Constraint], cells: int) -> NDArray[np.float64]:
    """Sweep over the constraints until all are met or it gets no better.

    Looks at 1, 2, 4, 8, ... sweeps: an error that vanishes as 1/sweeps, the slowest there is, halves between two looks.
    """
    joint = np.full(cells, 1.0 / max(cells, 1))
    limit = min(_MAX_SWEEPS, max(_STALL_SWEEPS, _WORK // (max(cells, 1) * len(constraints))))
    last_joint, last_error, look = joint, np.inf, 1
    for sweep in range(1, limit + 1):
        for constraint in constraints:
            joint = constraint.scale(joint)
        if sweep < look:
            continue
        error = _largest_error(constraints, joint)
        if error < TOLERANCE / 10:
            break
        if sweep >= _SETTLE_SWEEPS:
            trimmed = _trim(constraints, joint, last_joint)
            if trimmed is not None:
                return trimmed
        if sweep > _STALL_SWEEPS and error > 0.95 * last_error:
            break
        last_joint, last_error, look = joint, error, 2 * look
    return joint


def _trim(
    constraints: list[_Constraint], joint: NDArray[np.float64], last_joint: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Try the joint without its vanishing cells.

    Where the marginals force a cell to zero, sweeps shrink it only as 1/sweeps. It is gone if all marginals are met
    without it.
    """
    vanishing = (joint > 0) & (joint < 0.6 * last_joint)
    if not vanishing.any():
        return None
    trimmed = np.where(vanishing, 0.0, joint)
    for _ in range(_TRIM_SWEEPS):
        for constraint in constraints:
            trimmed = constraint.scale(trimmed)
    return trimmed if _largest_error(constraints, trimmed) < TOLERANCE / 10 else None


def _name_cell(axes: Sequence[str], cell: Sequence[str]) -> str:
    return ", ".join(f"{axis}={show(value)}" for axis, value in zip(axes, cell, strict=True))


def _enumerate(names: list[str]) -> str:
    shown = "; ".join(f"({name})" for name in names[:_MAX_NAMED_CELLS])
    return shown + (f"; and {len(names) - _MAX_NAMED_CELLS} more" if len(names) > _MAX_NAMED_CELLS else "")


def _find_unmet(
    constraints: list[_Constraint],
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
