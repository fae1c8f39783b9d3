"""Shares from counts: intervals, small groups that lean on larger ones, and what was not seen.

Sources:
    Brown, Cai, DasGupta (2001), "Interval estimation for a binomial proportion": Jeffreys' interval. Minka (2000),
    "Estimating a Dirichlet distribution": the weight of the larger group by the Dirichlet-multinomial likelihood.
    Good (1953), "The population frequencies of species": the share of what was not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv, gammaln

Group = tuple[str, ...]

CONFIDENCE = 0.95
_LEANS = 2.0 ** np.arange(-1, 10)
_NEGLIGIBLE = 0.01
_NEGLIGIBLE_ROWS = 0.25
_MOST_LEFT_OUT = 0.1


@dataclass(frozen=True, slots=True)
class Share:
    """How often a value occurs within a group of rows.

    Attributes:
        given: Values of the given axes that make the group; empty: all rows.
        value: The axis's value.
        rows: Rows of the group with the value.
        of: Rows of the group.
        share: The estimate, 0 to 1.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    given: Group
    value: str
    rows: int
    of: int
    share: float
    low: float
    high: float


def beta_interval(successes: float, failures: float) -> tuple[float, float]:
    """Central 95 % of the beta distribution with these parameters; an end at 0 or 1 where a count is next to none."""
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if successes <= 0.5 else float(betaincinv(successes, failures, tail))
    high = 1.0 if failures <= 0.5 else float(betaincinv(successes, failures, 1 - tail))
    return low, high


def jeffreys_interval(rows: int, of: int) -> tuple[float, float]:
    """Jeffreys' 95 % interval for a share of ``rows`` among ``of``."""
    return beta_interval(rows + 0.5, of - rows + 0.5)


def count_shares(counts: Mapping[str, int], given: Group = ()) -> tuple[Share, ...]:
    """Shares as counted, most frequent first, each with Jeffreys' interval."""
    of = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Share(given, value, rows, of, rows / of, *jeffreys_interval(rows, of)) for value, rows in ordered)


def unseen_share(counts: Iterable[int]) -> tuple[float, float]:
    """Good-Turing: probability that the next row shows a value that was not seen, and its 95 % upper end.

    The upper end is McAllester and Schapire's bound (2000), without its constant: it is a rule of thumb.
    """
    counts = list(counts)
    total = sum(counts)
    once = sum(count == 1 for count in counts)
    share = once / total
    return share, min(1.0, share + 1.96 * float(np.sqrt((share * (1 - share) + 2 * share) / total)))


@dataclass(frozen=True, slots=True)
class Observation:
    """One row, as a conditional share sees it.

    Attributes:
        kind: Groups of one kind have the same values at all.
        coarse: The larger group on which the row's own leans.
        fine: The row's own group.
        value: What is counted.
    """

    kind: Group
    coarse: Group
    fine: Group
    value: str


def conditional_shares(
    observations: Sequence[Observation],
    order: Sequence[str],
    possible: Callable[[Group, str], bool] = lambda fine, value: True,
) -> tuple[tuple[Share, ...], float]:
    """Shares within each fine group, drawn towards those of its coarse group.

    A group of n rows counts its own rows as n and its coarse group as ``lean`` rows; ``lean`` is the power of two that
    makes the sample most likely. A coarse group in turn leans by one row on all rows of its kind. What a group has not
    shown and would hardly show gets none, or the joint table would be full of cells without rows: less than a hundredth
    in a coarse group; in a fine one less than a quarter of a row of the sample and than a tenth of the group.

    Args:
        observations: At least one.
        order: Values in the order in which they are given back.
        possible: Whether a fine group may have a value at all.

    Returns:
        The shares of every fine group, those above zero and those seen, and ``lean`` in rows.
    """
    by_kind: dict[Group, Counter[str]] = {}
    by_coarse: dict[Group, Counter[str]] = {}
    by_fine: dict[Group, Counter[str]] = {}
    above: dict[Group, tuple[Group, Group]] = {}
    for one in observations:
        by_kind.setdefault(one.kind, Counter())[one.value] += 1
        by_coarse.setdefault((*one.kind, *one.coarse), Counter())[one.value] += 1
        by_fine.setdefault(one.fine, Counter())[one.value] += 1
        above[one.fine] = (one.kind, (*one.kind, *one.coarse))
    priors = {}
    for fine, (kind, coarse) in above.items():
        own, whole = by_coarse[coarse], by_kind[kind]
        prior = np.array([(own[v] + whole[v] / whole.total()) / (own.total() + 1) for v in order])
        prior[
            [(own[v] == 0 and p < _NEGLIGIBLE) or not possible(fine, v) for v, p in zip(order, prior, strict=True)]
        ] = 0
        prior[[by_fine[fine][v] > 0 and p == 0 for v, p in zip(order, prior, strict=True)]] = _NEGLIGIBLE
        priors[fine] = prior / prior.sum()
    counts = {fine: np.array([by_fine[fine][value] for value in order], dtype=np.float64) for fine in above}
    lean = float(max(_LEANS, key=lambda weight: sum(_likelihood(counts[f], weight * priors[f]) for f in above)))
    if all(by_fine[fine] == by_coarse[above[fine][1]] for fine in above):
        lean = 1.0  # there is nothing smaller than the coarse groups: their own lean of one row stands
    shares = []
    for fine, prior in priors.items():
        weights = counts[fine] + lean * prior
        expected = weights / weights.sum()
        rare = (expected * counts[fine].sum() < _NEGLIGIBLE_ROWS) & (expected < _MOST_LEFT_OUT)
        weights[rare & (counts[fine] == 0)] = 0
        total = float(weights.sum())
        for value, weight, rows in zip(order, weights.tolist(), counts[fine].tolist(), strict=True):
            if weight > 0:
                interval = beta_interval(weight + 0.5, total - weight + 0.5)
                shares.append(Share(fine, value, int(rows), int(counts[fine].sum()), weight / total, *interval))
    return tuple(shares), lean


def _likelihood(counts: np.ndarray[Any, Any], prior: np.ndarray[Any, Any]) -> float:
    """Log probability of ``counts`` (without the multinomial coefficient) under a Dirichlet prior."""
    some = prior > 0
    ends = gammaln(prior[some].sum()) - gammaln((counts + prior)[some].sum())
    return float(ends + (gammaln((counts + prior)[some]) - gammaln(prior[some])).sum())
