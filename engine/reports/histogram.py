"""Durations of any number of samples in a few kilobytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_SHORTEST_MS, _LONGEST_MS = 1e-3, 1e8
_BIN_RATIO = 1.01
_EDGES = np.geomspace(
    _SHORTEST_MS, _LONGEST_MS, 1 + math.ceil(math.log(_LONGEST_MS / _SHORTEST_MS) / math.log(_BIN_RATIO))
)


class Histogram:
    """Counts in bins that are 1 % wide: quantiles are right to half a per cent, count and sum to the last digit.

    Attributes:
        count: Durations.
        total_ms: Their sum.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total_ms = 0.0
        self._bins = np.zeros(len(_EDGES) + 1, dtype=np.int64)

    def add(self, durations_ms: Sequence[float]) -> None:
        """Count these as well; what is shorter than a microsecond counts as one."""
        values = np.asarray(durations_ms, dtype=np.float64)
        self.count += len(values)
        self.total_ms += float(values.sum())
        self._bins += np.bincount(np.searchsorted(_EDGES, values, side="right"), minlength=len(self._bins))

    def merge(self, other: Histogram) -> None:
        """Count what ``other`` has counted."""
        self.count += other.count
        self.total_ms += other.total_ms
        self._bins += other._bins

    def quantile_ms(self, share: float) -> float:
        """The duration below which ``share`` of all lie; 0 when there are none."""
        if not self.count:
            return 0.0
        rank = min(self.count - 1, int(share * self.count))
        place = int(np.searchsorted(np.cumsum(self._bins), rank, side="right"))
        edges = _EDGES[max(0, place - 1) : place + 1]
        return float(math.sqrt(edges[0] * edges[-1]))
