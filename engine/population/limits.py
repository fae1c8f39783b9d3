"""What a sample is too small for, in sentences and figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from routenator.engine.domain.pack import NO_CATEGORY
from routenator.engine.population.declared import DeclaredPack
from routenator.engine.population.profile import NOT_NAMED
from routenator.engine.population.result import PopulationFit, Unseen
from routenator.engine.population.shares import unseen_share

FEWEST_ROWS = 30
"""Rows of a function below which its shares are hardly known."""
_FEW_IN_CELL = 5
_UNSEEN_WORTH_SAYING = 0.02
# Two-sided 5 % level and a power of 80 %: the normal quantiles 1.96 + 0.84.
_DETECTABLE_SIGMAS = 2.80


def unseen_combinations(rows: Sequence[Mapping[str, str]]) -> tuple[Unseen, ...]:
    """Good-Turing figures of each function's combinations of arguments, by name."""
    found = []
    for function in sorted({row["function"] for row in rows}):
        counts = Counter(row["arguments"] for row in rows if row["function"] == function)
        share, high = unseen_share(counts.values())
        once = sum(count == 1 for count in counts.values())
        found.append(Unseen(function, counts.total(), len(counts), once, share, high))
    return tuple(found)


def detectable_difference(rows: int, share: float) -> float:
    """Smallest difference from ``share`` that as many rows again would show, at the 5 % level with a power of 80 %."""
    return _DETECTABLE_SIGMAS * math.sqrt(2 * share * (1 - share) / rows)


def describe_limits(fit: PopulationFit, pack: DeclaredPack) -> tuple[str, ...]:
    """Everything that a person should know before trusting the small figures."""
    found = [
        f"A share near 50 % is known to ±{_points(_margin(fit.used, 0.5))} points, one near 10 % to "
        f"±{_points(_margin(fit.used, 0.1))}; two samples of {fit.used:,} rows tell shares near 10 % apart from a "
        f"difference of {_points(detectable_difference(fit.used, 0.1))} points on."
    ]
    if fit.labelled:
        found += _of_functions(fit)
        found += _of_combinations(fit)
        found += _of_groups(fit)
        found += _of_categories(fit, pack)
    if fit.misspelling is not None:
        at = fit.misspelling
        found.append(
            f"Misspelt words are told by {at.suspicious} suspicious ones among {at.words:,}: the share of such queries "
            f"lies between {_points(at.low)} % and {_points(at.high)} %. Typos in arguments, and typos that make "
            "another word, are not seen."
        )
    return tuple(found)


def _of_functions(fit: PopulationFit) -> list[str]:
    rows = {share.value: share.rows for share in fit.summary["function"]}
    found = []
    if few := [name for name, count in rows.items() if count < FEWEST_ROWS]:
        found.append(f"Fewer than {FEWEST_ROWS} rows: {', '.join(few)}. Their shares are hardly more than guesses.")
    least = min(rows.values())
    margin = _points(_margin(least, 0.1))
    found.append(f"Within a function ({least:,} rows and more) a share near 10 % is known to ±{margin} points.")
    return found


def _of_combinations(fit: PopulationFit) -> list[str]:
    return [
        f"{one.function}: {one.once} of {one.combinations} combinations of arguments were seen once; about "
        f"{_points(one.share, 0)} % of its real queries have one that was not seen (at most "
        f"{_points(one.high, 0)} %). None is invented."
        for one in fit.unseen
        if one.share >= _UNSEEN_WORTH_SAYING
    ]


def _of_groups(fit: PopulationFit) -> list[str]:
    found = []
    for axis in fit.axes:
        groups = {share.given: share.of for share in axis.shares}
        few = sum(of < _FEW_IN_CELL for of in groups.values())
        if len(axis.given) > 1 and few:
            found.append(
                f"{_name(axis.axis)} within {' and '.join(map(_name, axis.given))}: {few} of {len(groups)} groups have "
                f"fewer than {_FEW_IN_CELL} rows and follow the larger group (which counts as {axis.lean:g} rows)."
            )
    return found


def _of_categories(fit: PopulationFit, pack: DeclaredPack) -> list[str]:
    found = []
    counts = {share.value: share.rows for share in fit.summary["category"]}
    if rows := counts.get(NOT_NAMED, 0):
        found.append(
            f"{rows:,} rows name a category for which the pack has no word; they count for the others in proportion."
        )
    unseen = pack.categories - counts.keys() - {NO_CATEGORY}
    if unseen:
        found.append(f"{len(unseen)} of the pack's {len(pack.categories)} categories were not seen and get no rows.")
    return found


def _margin(rows: int, share: float) -> float:
    return 1.96 * math.sqrt(share * (1 - share) / rows)


def _points(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}"


def _name(axis: str) -> str:
    return axis.replace("_", " ")
