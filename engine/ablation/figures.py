"""The figures of all arms: means over seeds, their intervals over golden rows, and differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.evaluation.intervals import RESAMPLES, draw_rows, percentile_interval
from routenator.engine.evaluation.scores import METRICS, RowScores

SHOWN_METRICS = ("f1", "cta", "ss", "exact_match", "slot_f1")
"""The paper's three, and what tells arms apart beyond them."""

Seed = int | None
"""``None``: a model that no seed had a part in."""


@dataclass(frozen=True, slots=True)
class Gap:
    """An arm minus the baseline, both with the same seeds and on the same golden rows.

    Attributes:
        value: Mean over the seeds that both have.
        low: Lower end of its interval over golden rows.
        high: Upper end.
        seeds_above: Seeds with which the arm is above the baseline.
        seeds: Seeds that both have.
    """

    value: float
    low: float
    high: float
    seeds_above: int
    seeds: int


@dataclass(frozen=True, slots=True)
class ArmFigure:
    """One metric of one arm.

    Attributes:
        value: Mean over seeds.
        low: Lower end of the mean's 95 % bootstrap interval over golden rows.
        high: Upper end.
        spread: Standard deviation over seeds (n - 1); ``nan`` with fewer than two.
        by_seed: Each seed's own, in the order of the seeds.
        gap: To the baseline; ``None`` for the baseline, and where it is not there.
    """

    value: float
    low: float
    high: float
    spread: float
    by_seed: tuple[float, ...]
    gap: Gap | None


@dataclass(frozen=True)
class _Sampled:
    """A metric of an arm, on all rows and in each resample, by seed."""

    whole: dict[Seed, float]
    draws: dict[Seed, NDArray[np.float64]]

    def mean(self, seeds: Sequence[Seed]) -> tuple[float, NDArray[np.float64]]:
        values = float(np.mean([self.whole[seed] for seed in seeds]))
        return values, np.mean([self.draws[seed] for seed in seeds], axis=0)


def compute_figures(
    scores: Mapping[str, Mapping[Seed, RowScores]],
    baseline: str,
    metrics: Sequence[str] = SHOWN_METRICS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, dict[str, ArmFigure]]:
    """Every metric of every arm.

    Each resample draws the same golden rows for all arms and seeds. An interval therefore speaks of other queries; what
    another seed would do is seen in ``spread`` and ``seeds_above``.

    Args:
        scores: Arm → seed → scores of the same golden rows in the same order.
        baseline: The arm that the others are compared with.
        metrics: Names among `METRICS`.
        seed: Of the resamples.
        resamples: How many.

    Raises:
        ValueError: The arms were not measured on the same rows.
    """
    labels = {found.labels for by_seed in scores.values() for found in by_seed.values()}
    if len(labels) > 1:
        raise ValueError("arms are compared on the same golden rows in the same order")
    if not labels:
        return {}
    rows = len(next(iter(labels)))
    whole, draws = np.ones(rows), draw_rows(rows, seed, resamples)

    def sample(name: str, by_seed: Mapping[Seed, RowScores]) -> _Sampled:
        metric = METRICS[name]
        return _Sampled(
            {key: metric(found, whole) for key, found in by_seed.items()},
            {key: np.array([metric(found, weights) for weights in draws]) for key, found in by_seed.items()},
        )

    figures: dict[str, dict[str, ArmFigure]] = {arm: {} for arm in scores if scores[arm]}
    for name in metrics:
        sampled = {arm: sample(name, scores[arm]) for arm in figures}
        for arm, found in sampled.items():
            value, resampled = found.mean(list(found.whole))
            by_seed = tuple(found.whole.values())
            figures[arm][name] = ArmFigure(
                value,
                *percentile_interval(resampled),
                spread=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else float("nan"),
                by_seed=by_seed,
                gap=_gap(found, sampled[baseline]) if baseline in sampled and arm != baseline else None,
            )
    return figures


def _gap(arm: _Sampled, baseline: _Sampled) -> Gap | None:
    # A model without a seed stands beside each of the baseline's.
    pairs = [(None if None in arm.whole else seed, seed) for seed in baseline.whole]
    pairs = [(ours, theirs) for ours, theirs in pairs if ours in arm.whole]
    if not pairs:
        return None
    value, draws = arm.mean([ours for ours, _ in pairs])
    other, other_draws = baseline.mean([theirs for _, theirs in pairs])
    above = sum(arm.whole[ours] > baseline.whole[theirs] for ours, theirs in pairs)
    return Gap(value - other, *percentile_interval(draws - other_draws), seeds_above=above, seeds=len(pairs))
