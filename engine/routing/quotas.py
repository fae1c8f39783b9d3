"""Whole counts from shares: exact at every level of the table's tree, balanced on the inner axes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from routenator.engine.routing.fitting import FittedTable

_WHOLE = 1e-6
"""A share of rows this near to a whole number is meant to be that number."""


def allocate_rows(table: FittedTable, rows: int) -> NDArray[np.int64]:
    """Deal ``rows`` out to a table's cells.

    The table's axes form a tree, outermost first. From the top down, each node's count is split among its children,
    each child rounded down or up. So at every level each count differs from rows × share by less than one, and the
    total is exact. Which children are rounded up is free, and is used to balance what the tree does not bind: an inner
    axis alone, and with each outer axis. The rounding error left so far on a child's value is carried over to the next
    choice (error diffusion). Rounding each node by itself would let the same child win everywhere.

    Args:
        table: Cells in tree order.
        rows: Rows to deal out, at least 0.

    Returns:
        int64, (cells,); the counts, in the order of ``table.cells``.
    """
    codes = _encode(table)
    counts = np.array([rows], dtype=np.int64)
    parents = np.zeros(len(codes), dtype=np.int64)
    for depth in range(codes.shape[1]):
        is_first = np.ones(len(codes), dtype=bool)
        is_first[1:] = (codes[1:, : depth + 1] != codes[:-1, : depth + 1]).any(axis=1)
        firsts = np.flatnonzero(is_first)
        shares = np.add.reduceat(table.shares, firsts)
        counts = _split(codes[firsts, : depth + 1], parents[firsts], shares * rows, counts)
        parents = np.cumsum(is_first) - 1
    return counts


def _encode(table: FittedTable) -> NDArray[np.int64]:
    columns = []
    for axis in range(len(table.axes)):
        code: dict[str, int] = {}
        columns.append([code.setdefault(cell[axis], len(code)) for cell in table.cells])
    return np.array(columns, dtype=np.int64).T


def _split(
    codes: NDArray[np.int64], parents: NDArray[np.int64], wanted: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Round one level's ``wanted`` rows so that each parent's children add up to its count."""
    whole = np.floor(wanted)
    result = whole.astype(np.int64)
    part = wanted - whole
    spare = counts - np.bincount(parents, whole, minlength=len(counts)).astype(np.int64)
    starts = np.searchsorted(parents, np.arange(len(counts) + 1))
    debt: defaultdict[tuple[int, int, int], float] = defaultdict(float)
    for parent, up in enumerate(spare.tolist()):
        start, end = int(starts[parent]), int(starts[parent + 1])
        if end - start == 1:
            result[start] = counts[parent]
            up = 0
        names = [
            [(-1, 0, row[-1]), *((axis, code, row[-1]) for axis, code in enumerate(row[:-1]))]
            for row in codes[start:end].tolist()
        ]
        parts = part[start:end].tolist()
        needs = []
        for i, fraction in enumerate(parts):
            need = fraction + sum(debt[name] for name in names[i])
            if fraction > 1 - _WHOLE:
                need += 1e9
            elif fraction < _WHOLE:
                need -= 1e9
            needs.append(need)
        order = sorted(range(end - start), key=lambda i: -needs[i])
        # Below zero only where floating point put a child's whole number just above its parent's.
        for i in order[:up] if up > 0 else order[len(order) + up :]:
            result[start + i] += 1 if up > 0 else -1
        for i in range(end - start):
            error = float(wanted[start + i] - result[start + i])
            for name in names[i]:
                debt[name] += error
    return result
