"""The classifier two-sample test: can a simple model tell synthetic rows from real queries?

Source:
    D. Lopez-Paz, M. Oquab (2017), "Revisiting classifier two-sample tests", arXiv:1610.06545. The AUC's interval: E.
    DeLong, D. DeLong, D. Clarke-Pearson (1988), "Comparing the areas under two or more correlated ROC curves".
"""

from __future__ import annotations

import math
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit
from scipy.stats import rankdata

from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

MOST_ROWS = 4_000
"""Rows of each side; more are sampled, so that the test takes seconds."""

_FOLDS = 5
_HASHED = 1 << 14
_PENALTY = 1.0
_FEWEST_ROWS = 20
_SHOWN = 12
_FEWEST_WITH_FEATURE = 3


@dataclass(frozen=True, slots=True)
class TwoSampleTest:
    """How well a model tells the two apart.

    Attributes:
        features: What the model sees: ``words``, or ``form`` only.
        auc: Area under the ROC curve over rows that the model was not trained on: 0.5 cannot tell, 1 always can.
        low: Lower end of its 95 % interval.
        high: Upper end.
        rows: Synthetic and real rows that were used.
        synthetic_signs: Features that speak most for a synthetic row; words here are the synthetic rows' own.
        real_signs: Features that speak most for a real query; never words of it.
    """

    features: str
    auc: float
    low: float
    high: float
    rows: tuple[int, int]
    synthetic_signs: tuple[str, ...]
    real_signs: tuple[str, ...]


def tell_apart(synthetic: Sequence[str], real: Sequence[str], seed: int = 0) -> tuple[TwoSampleTest, ...]:
    """Train on four fifths, score the last fifth, five times; once with all features, once with form only.

    Args:
        synthetic: Queries of the run.
        real: Real queries.
        seed: Of the sample and the folds.

    Returns:
        Nothing where a side has fewer than 20 queries.
    """
    if min(len(synthetic), len(real)) < _FEWEST_ROWS:
        return ()
    generator = random.Random(seed)
    sides = [list(queries) if len(queries) <= MOST_ROWS else generator.sample(list(queries), MOST_ROWS)
             for queries in (synthetic, real)]  # fmt: skip
    queries = sides[0] + sides[1]
    is_synthetic = np.array([True] * len(sides[0]) + [False] * len(sides[1]))
    folds = np.zeros(len(queries), dtype=np.int64)
    # Equal parts of both sides in each fold.
    for side in (True, False):
        at = np.flatnonzero(is_synthetic == side)
        folds[at] = np.random.default_rng(seed).permutation(len(at)) % _FOLDS
    return tuple(
        _test(name, extract, queries, is_synthetic, folds) for name, extract in (("words", _all), ("form", _form))
    )


Feature = tuple[str, float]
"""Name and value. Names begin with ``word:``, ``part:`` (hashed, of no meaning to a reader) or nothing (form)."""


def _test(
    name: str, extract: Callable[[str], Iterable[Feature]], queries: Sequence[str], is_synthetic: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> TwoSampleTest:  # fmt: skip
    matrix, names = _vectorise([list(extract(query)) for query in queries])
    scores = np.zeros(len(queries))
    for fold in range(_FOLDS):
        train = folds != fold
        weights = _train(matrix[train], is_synthetic[train])
        # Ranks, since the folds' models have scales of their own.
        held = matrix[~train] @ weights
        scores[~train] = rankdata(held) / len(held)
    auc, low, high = area_under_curve(scores[is_synthetic], scores[~is_synthetic])
    signs = _signs(_train(matrix, is_synthetic), names, matrix)
    return TwoSampleTest(name, auc, low, high, (int(is_synthetic.sum()), int((~is_synthetic).sum())), *signs)


def area_under_curve(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> tuple[float, float, float]:
    """AUC of scores with DeLong's 95 % interval."""
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    auc = float(above.mean())
    error = 1.96 * math.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n)
    return auc, max(0.0, auc - error), min(1.0, auc + error)


def _form(query: str) -> Iterable[Feature]:
    """What a query looks like, whatever it speaks of."""
    words = query.split()
    letters = sum(map(str.isalpha, query)) or 1
    yield "number of words", len(words) / 10
    yield "short (5 words or fewer)", float(len(words) <= 5)
    yield "long (12 words or more)", float(len(words) >= 12)
    yield "letters a word", letters / max(1, len(words)) / 5
    yield "capital letters", sum(map(str.isupper, query)) / letters
    yield "digits", float(any(map(str.isdigit, query)))
    yield f"casing: {classify_casing(query)}", 1.0
    for mark, name in (("?", "question mark"), (".", "full stop"), ("!", "exclamation mark")):
        yield f"ends with a {name}", float(query.rstrip().endswith(mark))
    for mark, name in ((",", "comma"), ("'", "apostrophe"), ("-", "hyphen"), (":", "colon")):
        yield f"has a {name}", float(mark in query)
    folded = fold_words(query)
    yield "share of function words", sum(word in FUNCTION_WORDS for word in folded) / max(1, len(folded))
    for word in set(folded) & FUNCTION_WORDS:
        yield f"function word: {word}", 1.0


def _all(query: str) -> Iterable[Feature]:
    """Form, words, pairs of words and parts of words."""
    yield from _form(query)
    folded = fold_words(query)
    for text in {*folded, *(f"{a} {b}" for a, b in pairwise(folded))}:
        yield f"word:{text}", 1.0
    padded = f" {' '.join(folded)} "
    for text in {padded[at : at + size] for size in (3, 4) for at in range(len(padded) - size + 1)}:
        yield f"part:{zlib.crc32(text.encode('utf-8', 'replace')) % _HASHED}", 0.3


def _vectorise(rows: Sequence[Sequence[Feature]]) -> tuple[csr_matrix, list[str]]:
    """float64, (rows, features); features of fewer than three rows are left out, a constant one is added."""
    counts = Counter(name for row in rows for name, value in row if value)
    names = ["", *sorted(name for name, count in counts.items() if count >= _FEWEST_WITH_FEATURE)]
    column = {name: number for number, name in enumerate(names)}
    data, columns, ends = [], [], [0]
    for row in rows:
        data.append(1.0)
        columns.append(0)
        for name, value in row:
            if value and name in column:
                data.append(value)
                columns.append(column[name])
        ends.append(len(data))
    return csr_matrix((data, columns, ends), shape=(len(rows), len(names))), names


def _train(matrix: csr_matrix, is_synthetic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression with L2 penalty, both sides counting the same: float64, (features,)."""
    sign = np.where(is_synthetic, 1.0, -1.0)
    share = np.where(is_synthetic, is_synthetic.mean(), 1 - is_synthetic.mean())
    weight = 0.5 / share

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (matrix @ weights)
        value = (weight * np.logaddexp(0, -margin)).sum() + _PENALTY / 2 * (weights[1:] ** 2).sum()
        slope = matrix.T @ (-weight * sign * expit(-margin))
        slope[1:] += _PENALTY * weights[1:]
        return float(value), slope

    start = np.zeros(matrix.shape[1])
    found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 100}).x
    return found


def _signs(
    weights: NDArray[np.float64], names: Sequence[str], matrix: csr_matrix
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The features that tell most: weight times how often they occur."""
    effect = weights * np.sqrt(np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel())
    synthetic: list[str] = []
    real: list[str] = []
    for at in np.argsort(-np.abs(effect)).tolist():
        name = names[at]
        if not name or name.startswith("part:") or not effect[at]:
            continue
        if effect[at] > 0:
            synthetic.append(f"“{name.removeprefix('word:')}”" if name.startswith("word:") else name)
        elif not name.startswith(("word:", "function word:")):
            real.append(name)
    return tuple(synthetic[:_SHOWN]), tuple(real[:_SHOWN])
