"""How the arguments' values of rows and of real queries look: how many words they have, how often they are small."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from routenator.engine.population.queries import RealQuery

FEWEST = 15
"""Of both sides, for a figure."""
_FAR_ERRORS = 3.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean on both sides.

    Attributes:
        synthetic: Mean over the rows.
        real: Mean over the real queries.
        errors: The difference in standard errors of a difference; 0 where both are the same.
    """

    synthetic: float
    real: float
    errors: float

    @property
    def is_far(self) -> bool:
        """Whether chance does not explain the difference: more than three standard errors."""
        return self.errors > _FAR_ERRORS


@dataclass(frozen=True, slots=True)
class ValueShape:
    """The values of one argument on both sides.

    Attributes:
        function: Whose argument it is.
        argument: Its name.
        rows: Rows that have it.
        real: Real queries that have it.
        words: Words in a value, mean.
        small: Share of the values with letters that have no capital.
    """

    function: str
    argument: str
    rows: int
    real: int
    words: Figure
    small: Figure


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


def compare_values(synthetic: Iterable[RealQuery], real: Iterable[RealQuery]) -> tuple[ValueShape, ...]:
    """Each argument that 15 or more of both sides have, those first that differ most surely."""
    sides = (_collect(synthetic), _collect(real))
    shapes = []
    for key in sorted(sides[0].keys() & sides[1].keys()):
        values = (sides[0][key], sides[1][key])
        if min(map(len, values)) < FEWEST:
            continue
        words = compare_means(*([float(len(value.split())) for value in side] for side in values))
        cased = ([value for value in side if value.upper() != value.lower()] for side in values)
        small = compare_means(*([float(value == value.lower()) for value in side] for side in cased))
        shapes.append(ValueShape(*key, len(values[0]), len(values[1]), words, small))
    return tuple(sorted(shapes, key=lambda shape: -max(shape.words.errors, shape.small.errors)))


def _collect(queries: Iterable[RealQuery]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for query in queries:
        for name, values in (query.arguments or {}).items():
            if query.function and values:
                found[query.function, name].append(values[0])
    return found
