"""Target against delivered: counts for each cell, chi-square, Jensen-Shannon distance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, rel_entr

from routenator.engine.reports.report import Cell, Comparison, Fit

Values = tuple[str, ...]

_SMALL_EXPECTED_ROWS = 5


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of the plan: target shares and quotas by cell, in the order of the targets."""

    axes: tuple[str, ...]
    shares: Mapping[Values, float]
    counts: Mapping[Values, int]

    def marginal(self, axis: str) -> PlannedTable:
        """The table summed over all its axes but one."""
        at = self.axes.index(axis)
        shares: dict[Values, float] = {}
        counts: Counter[Values] = Counter()
        for cell, share in self.shares.items():
            shares[cell[at],] = shares.get((cell[at],), 0.0) + share
        for cell, count in self.counts.items():
            counts[cell[at],] += count
        return PlannedTable((axis,), shares, counts)


def fit_counts(shares: Mapping[Values, float], counts: Mapping[Values, int]) -> Fit:
    """Compare counts with target shares; cells that ``shares`` does not name have a share of 0."""
    cells = list(dict.fromkeys([*shares, *counts]))
    observed = np.array([counts.get(cell, 0) for cell in cells], dtype=np.float64)
    target = np.array([shares.get(cell, 0.0) for cell in cells], dtype=np.float64)
    rows = observed.sum()
    expected = target / target.sum() * rows if target.sum() > 0 else np.zeros_like(target)
    targeted = target > 0
    freedom = max(0, int(targeted.sum()) - 1)
    small = int((expected[targeted] < _SMALL_EXPECTED_ROWS).sum())
    if rows == 0 or not targeted.any():
        return Fit(None, freedom, None, None, small)
    distance = js_distance(observed / rows, target / target.sum())
    if (observed[~targeted] > 0).any():
        # Rows where the target is zero: no draw from it would give them.
        return Fit(None, freedom, 0.0, distance, small)
    statistic = float((np.square(observed - expected)[targeted] / expected[targeted]).sum())
    p_value = float(chdtrc(freedom, statistic)) if freedom else 1.0
    return Fit(statistic, freedom, p_value, distance, small)


def js_distance(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Jensen-Shannon distance, base 2, of two distributions over the same cells: 0 equal, 1 disjoint.

    `scipy.spatial.distance.jensenshannon` gives NaN where rounding makes the divergence of equal ones negative.
    """
    mean = (p + q) / 2
    divergence = float((rel_entr(p, mean) + rel_entr(q, mean)).sum()) / 2 / math.log(2)
    return math.sqrt(min(1.0, max(0.0, divergence)))


def compare(
    planned: PlannedTable,
    delivered: Mapping[Values, int],
    measured: Mapping[Values, int] | None = None,
    agreeing: int | None = None,
) -> Comparison:
    """Put a table of the plan beside what was delivered.

    Args:
        planned: Shares and quotas.
        delivered: Accepted rows by their slot's cell.
        measured: Accepted rows by the cell that their queries measure as, or ``None``.
        agreeing: Accepted rows that measure as their slot's cell, or ``None``.
    """
    cells = dict.fromkeys([*planned.shares, *delivered, *(measured or {})])
    rows = sum(delivered.values())
    return Comparison(
        planned.axes,
        tuple(
            Cell(
                cell,
                planned.shares.get(cell, 0.0),
                planned.counts.get(cell, 0),
                delivered.get(cell, 0),
                None if measured is None else measured.get(cell, 0),
            )
            for cell in cells
        ),
        fit_counts(planned.shares, delivered),
        None if measured is None else fit_counts(planned.shares, measured),
        agreeing / rows if agreeing is not None and rows else None,
    )
