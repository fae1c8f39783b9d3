"""How sure a figure is: bootstrap intervals, and the paired comparison of two models on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenator.engine.evaluation.scores import METRICS, RowScores

RESAMPLES = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its percentile bootstrap interval at `CONFIDENCE`; all ``nan`` where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Second model minus first, on the same rows.

    Attributes:
        p: Two-sided bootstrap p value of no difference: never below 1 / `RESAMPLES`.
    """

    value: float
    low: float
    high: float
    p: float


def draw_rows(rows: int, seed: int, resamples: int) -> list[NDArray[np.float64]]:
    """How often each row is drawn in each resample."""
    generator = np.random.default_rng(seed)
    return [np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64) for _ in range(resamples)]


def percentile_interval(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """The middle `CONFIDENCE` of the resamples' figures; those that are not defined are left out."""
    defined = np.array([value for value in values if not np.isnan(value)])
    if not len(defined):
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def estimate(scores: RowScores, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Estimate]:
    """Every metric with its interval; the same seed gives the same interval.

    Source:
        B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
    """
    rows = len(scores.labels)
    whole, draws = np.ones(rows), draw_rows(rows, seed, resamples)
    return {
        name: Estimate(metric(scores, whole), *percentile_interval([metric(scores, weights) for weights in draws]))
        for name, metric in METRICS.items()
    }


def compare_models(
    first: RowScores, second: RowScores, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """Second minus first on every metric: each resample draws the same rows for both.

    Raises:
        ValueError: The two are not of the same golden rows.

    Source:
        T. Berg-Kirkpatrick, D. Burkett, D. Klein, An Empirical Investigation of Statistical Significance in NLP, 2012.
    """
    if first.labels != second.labels:
        raise ValueError("two models are compared on the same golden rows in the same order")
    rows = len(first.labels)
    whole, draws = np.ones(rows), draw_rows(rows, seed, resamples)
    found = {}
    for name, metric in METRICS.items():
        differences = [metric(second, weights) - metric(first, weights) for weights in draws]
        value = metric(second, whole) - metric(first, whole)
        defined = np.array([d for d in differences if not np.isnan(d)])
        p = float("nan")
        if len(defined):
            p = float(min(1.0, 2 * max(min((defined <= 0).mean(), (defined >= 0).mean()), 1 / (2 * resamples))))
        found[name] = Difference(value, *percentile_interval(differences), p)
    return found
