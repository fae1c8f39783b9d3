"""How the arguments' values of rows and of real queries look: how many words they have, how often they are small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from routenator.engine.population.queries import RealQuery
from routenator.engine.reports.against_figure import FEWEST, Figure, compare_means


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
    return tuple(sorted(shapes, key=lambda shape: -max(shape.words.standard_errors, shape.small.standard_errors)))


def _collect(queries: Iterable[RealQuery]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for query in queries:
        for name, values in (query.arguments or {}).items():
            if query.function and values:
                found[query.function, name].append(values[0])
    return found
