"""Which of two arguments is said first, in rows and in real queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from routenator.engine.population.queries import RealQuery
from routenator.engine.reports.against_figure import FEWEST, Figure, compare_means
from routenator.engine.validation.spans import find_spans


@dataclass(frozen=True, slots=True)
class OrderShare:
    """Two arguments that stand in one query.

    Attributes:
        function: Whose arguments they are.
        first: The one that real queries say first more often.
        second: The other one.
        rows: Rows that have both.
        real: Real queries that have both.
        share: In which share of them ``first`` is said first.
    """

    function: str
    first: str
    second: str
    rows: int
    real: int
    share: Figure


def compare_order(synthetic: Iterable[RealQuery], real: Iterable[RealQuery]) -> tuple[OrderShare, ...]:
    """Each pair of arguments that 15 or more of both sides have, those first that differ most surely."""
    sides = (_collect(synthetic), _collect(real))
    shares = []
    for key in sorted(sides[0].keys() & sides[1].keys()):
        rows, queries = sides[0][key], sides[1][key]
        if min(len(rows), len(queries)) < FEWEST:
            continue
        function, first, second = key
        if 2 * sum(queries) < len(queries):
            first, second = second, first
            rows, queries = [1 - one for one in rows], [1 - one for one in queries]
        shares.append(OrderShare(function, first, second, len(rows), len(queries), compare_means(rows, queries)))
    return tuple(sorted(shares, key=lambda one: -one.share.standard_errors))


def _collect(queries: Iterable[RealQuery]) -> dict[tuple[str, str, str], list[float]]:
    """Function and two of its arguments in alphabetical order → 1 for each query that says the first of them first."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for query in queries:
        if not query.function:
            continue
        values = {name: values[0] for name, values in (query.arguments or {}).items() if values}
        places = find_spans(query.query, values).places
        for one, other in combinations(sorted(places), 2):
            found[query.function, one, other].append(float(places[one].start < places[other].start))
    return found
