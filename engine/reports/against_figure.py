"""A mean over rows beside the same mean over real queries, and whether chance explains the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 15
"""Of both sides, for a figure."""
_FAR = 3.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean on both sides.

    Attributes:
        synthetic: Mean over the rows.
        real: Mean over the real queries.
        standard_errors: The difference, in standard errors of a difference; 0 where both are the same.
    """

    synthetic: float
    real: float
    standard_errors: float

    @property
    def is_far(self) -> bool:
        """Whether chance does not explain the difference: more than three standard errors."""
        return self.standard_errors > _FAR


def compare_means(synthetic: Sequence[float], real: Sequence[float]) -> Figure:
    """Both means, and how sure it is that they differ. ``nan`` where a side is empty."""
    if not synthetic or not real:
        return Figure(math.nan, math.nan, 0.0)
    means = sum(synthetic) / len(synthetic), sum(real) / len(real)
    # Of both sides together, so that a side whose values are all alike has no error of 0.
    pooled = [*synthetic, *real]
    mean = sum(pooled) / len(pooled)
    variance = sum((value - mean) ** 2 for value in pooled) / len(pooled)
    error = math.sqrt(variance * (1 / len(synthetic) + 1 / len(real)))
    return Figure(*means, abs(means[0] - means[1]) / error if error else 0.0)
