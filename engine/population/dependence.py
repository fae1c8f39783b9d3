"""Which axes depend on which: the G-test, and Akaike's criterion for what is worth a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from routenator.engine.population.shares import Group

_SIGNIFICANT = 0.01


@dataclass(frozen=True, slots=True)
class Dependence:
    """Whether an axis depends on another within groups of rows that are alike otherwise.

    Attributes:
        axis: The axis that may depend.
        on: What it may depend on.
        given: Axes whose values the groups share.
        g: The G statistic, 2 Σ observed ln(observed / expected).
        degrees_of_freedom: Of ``g``.
        p_value: Of ``g`` by chi-square: a rough guide where cells are small.
        gain: Akaike's criterion: ``g`` less 2 for each degree of freedom. Above 0 the dependence foretells new rows
            better than independence does. (Schwarz's would ask for more than small groups, which lean on larger ones,
            cost.)
    """

    axis: str
    on: str
    given: tuple[str, ...]
    g: float
    degrees_of_freedom: int
    p_value: float
    gain: float

    @property
    def is_worth_it(self) -> bool:
        """Whether the targets should hold the dependence."""
        return self.gain > 0 and self.p_value < _SIGNIFICANT


def measure_dependence(
    axis: str, on: str, given: tuple[str, ...], rows: Sequence[tuple[Group, str, str]]
) -> Dependence:
    """Test independence of two values within groups.

    Args:
        axis: Name of the second value.
        on: Name of the first.
        given: Names of the axes that make the groups.
        rows: (group, first value, second value) of every row.

    Source:
        H. Akaike (1974), "A new look at the statistical model identification"; A. Agresti, Categorical Data Analysis,
        section 3.2.
    """
    by_group: dict[Group, Counter[tuple[str, str]]] = {}
    for group, first, second in rows:
        by_group.setdefault(group, Counter())[first, second] += 1
    g, freedom = 0.0, 0
    for cells in by_group.values():
        firsts, seconds = Counter[str](), Counter[str]()
        for (first, second), count in cells.items():
            firsts[first] += count
            seconds[second] += count
        total = cells.total()
        g += 2 * sum(n * np.log(n * total / (firsts[a] * seconds[b])) for (a, b), n in cells.items())
        freedom += (len(firsts) - 1) * (len(seconds) - 1)
    g = max(0.0, float(g))
    p_value = float(chdtrc(freedom, g)) if freedom else 1.0
    return Dependence(axis, on, given, g, freedom, p_value, g - 2 * freedom)
