"""Rows of weighted entries to draw from."""

from __future__ import annotations

from array import array
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from routenator.engine.kg.splitmix import SplitMix64


class WeightedRows:
    """Row ``i`` holds the entries ``offsets[i]`` to ``offsets[i + 1]``; each is drawn in proportion to its weight."""

    __slots__ = ("_cumulative", "_offsets")

    def __init__(self, rows: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> None:
        """Add up the weights of each row.

        Args:
            rows: (entries,); each entry's row, ascending.
            weights: (entries,); above zero.
            count: Number of rows.
        """
        peaks = np.zeros(count)
        np.maximum.at(peaks, rows, weights)
        scaled = weights / peaks[rows]  # sums of the largest floats would overflow
        totals = np.bincount(rows, scaled, minlength=count)
        offsets = np.searchsorted(rows, np.arange(count + 1)).astype(np.int64)
        self._offsets = array("q", offsets.tobytes())
        self._cumulative = array("d", np.cumsum(scaled / totals[rows]).tobytes())

    def is_empty(self, row: int) -> bool:
        """Whether the row has no entry to draw."""
        return self._offsets[row] == self._offsets[row + 1]

    def draw(self, row: int, stream: SplitMix64) -> int:
        """Position of an entry of a row that is not empty."""
        first, end = self._offsets[row], self._offsets[row + 1]
        low = self._cumulative[first - 1] if first else 0.0
        point = low + stream.draw() * (self._cumulative[end - 1] - low)
        # Rounding may put the point on the upper end, which belongs to the next row.
        return min(bisect_right(self._cumulative, point, first, end), end - 1)
