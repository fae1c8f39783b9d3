"""The joint distribution of largest entropy that meets some marginals.

Iterative proportional fitting first. Where its sweeps get slow (marginals that force a cell to zero, shares of very
different size), Newton's method on the dual goes the rest of the way.

Source:
    Deming and Stephan (1940), "On a least squares adjustment of a sampled frequency table when the expected marginal
    totals are known"; conditional marginals are I-projections in the same way (Csiszár, 1975).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.routing.shares import MarginalShares

TOLERANCE = 1e-9
"""Largest difference between a marginal's cell and the joint's, as a share of all rows."""

_CLOSE = TOLERANCE / 10
_FIRST_SWEEPS = 200
_MAX_SWEEPS = 20_000
_WORK = 300_000_000  # cells times constraints times sweeps: some seconds
_NEWTON_STEPS = 100
_NEWTON_EQUATIONS = 400
_NEWTON_ENTRIES = 10_000_000
_NEGLIGIBLE = 1e-11  # of all rows: what is left of a cell that the marginals force to zero


@dataclass(frozen=True, slots=True)
class Constraint:
    """A marginal against the joint's cells: ``members[i]`` is the marginal's cell that joint cell ``i`` adds to."""

    shares: MarginalShares
    members: NDArray[np.int64]

    @classmethod
    def over(cls, cells: NDArray[np.int64], axes: tuple[str, ...], shares: MarginalShares) -> Constraint:
        """Relate a marginal to the joint's cells (int64, (cells, axes)), each of which is in one of its cells."""
        rows = np.concatenate([shares.cells, cells[:, [axes.index(axis) for axis in shares.axes]]])
        codes = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
        position = np.empty(int(codes.max(initial=-1)) + 1, dtype=np.int64)
        position[codes[: len(shares.cells)]] = np.arange(len(shares.cells))
        return cls(shares, position[codes[len(shares.cells) :]])

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

    def rows(self, size: int) -> NDArray[np.float64]:
        """The constraint as linear equations: float64, (marginal's cells, ``size``); rows @ joint is `level`."""
        rows = np.zeros((len(self.shares.shares), size))
        rows[self.members, np.arange(size)] = 1.0
        if self.shares.conditional:
            for group in range(int(self.shares.groups.max(initial=-1)) + 1):
                inside = np.flatnonzero(self.shares.groups == group)
                held = self.shares.groups[self.members] == group
                rows[np.ix_(inside, held)] -= self.shares.shares[inside, None]
        return rows

    @property
    def level(self) -> NDArray[np.float64]:
        """Right-hand side of `rows`."""
        return np.zeros_like(self.shares.shares) if self.shares.conditional else self.shares.shares


def solve_joint(constraints: list[Constraint], size: int) -> NDArray[np.float64]:
    """The joint distribution, or the nearest that was found where none meets all constraints.

    Args:
        constraints: At least one.
        size: Number of joint cells that are not ruled out.

    Returns:
        float64, (size,).
    """
    joint = np.full(size, 1.0 / max(size, 1))
    joint, met = _sweep(constraints, joint, _FIRST_SWEEPS)
    if met:
        return joint
    solved = _solve_dual(constraints, joint)
    if solved is not None:
        return solved
    sweeps = min(_MAX_SWEEPS, _WORK // (max(size, 1) * len(constraints)))
    return _sweep(constraints, joint, sweeps)[0]


def _largest_error(constraints: list[Constraint], joint: NDArray[np.float64]) -> float:
    return max(float(np.abs(c.error(joint)).max(initial=0.0)) for c in constraints) + abs(1.0 - float(joint.sum()))


def _sweep(constraints: list[Constraint], joint: NDArray[np.float64], sweeps: int) -> tuple[NDArray[np.float64], bool]:
    """Scale to one constraint after the other until all are met, or it gets no better.

    Looks at 1, 2, 4, 8, ... sweeps: an error that vanishes as 1/sweeps, the slowest there is, halves between two looks.
    """
    last_error, look = np.inf, 1
    for sweep in range(1, sweeps + 1):
        for constraint in constraints:
            joint = constraint.scale(joint)
        if sweep == look:
            error = _largest_error(constraints, joint)
            if error < _CLOSE:
                return joint, True
            if sweep > _FIRST_SWEEPS and error > 0.95 * last_error:
                break
            last_error, look = error, 2 * look
    return joint, _largest_error(constraints, joint) < _CLOSE


def _solve_dual(constraints: list[Constraint], start: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Newton's method on the dual of the entropy; ``None`` when it is too large or finds nothing.

    Marginals overlap, so the equations are redundant; the step of least length is taken.
    """
    equations = sum(len(c.shares.shares) for c in constraints)
    alive = np.flatnonzero(start > 0)
    if not len(alive) or equations > _NEWTON_EQUATIONS or equations * len(start) > _NEWTON_ENTRIES:
        return None
    rows = np.vstack([c.rows(len(start)) for c in constraints])[:, alive]
    level = np.concatenate([c.level for c in constraints])
    log_joint = np.log(start[alive])
    for _ in range(_NEWTON_STEPS):
        joint = np.exp(log_joint)
        missing = level - rows @ joint
        if np.abs(missing).max() < _CLOSE / 10:
            return _without_negligible(constraints, start, alive, joint)
        step = rows.T @ np.linalg.lstsq((rows * joint) @ rows.T, missing, rcond=1e-13)[0]
        # A step of a factor e for the cell that changes most keeps the quadratic model honest.
        log_joint = log_joint + step / max(1.0, float(np.abs(step).max()) / 2)
        if not np.isfinite(log_joint).all() or log_joint.max() > 1:
            return None
    return None


def _without_negligible(
    constraints: list[Constraint], start: NDArray[np.float64], alive: NDArray[np.int64], found: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    joint = np.zeros_like(start)
    joint[alive] = np.where(found < _NEGLIGIBLE, 0.0, found)
    return joint if _largest_error(constraints, joint) < TOLERANCE else None
