"""The metrics of the paper and ours, as figures of every row, from which means and intervals are made.

Definitions with their sources stand in ``docs/metrics.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenator.engine.evaluation.ast_match import matches, possible_call
from routenator.engine.evaluation.calls import NO_CALL, Call, ParsedReply
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.roles import Roles

INVALID = "(unreadable)"
"""The predicted class of a reply that begins a call and cannot be read."""
OTHER = "(another function)"
"""The predicted class of a call to a function that the golden set never calls."""

Similarity = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""Cosine similarity of each pair of texts."""


def no_similarity(pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
    """Where no argument is declared free text, nobody asks."""
    raise AssertionError(f"{len(pairs)} texts are compared without a sentence model")


@dataclass(frozen=True)
class Scoring:
    """By what replies are scored.

    Attributes:
        roles: Which arguments CTA and SS look at.
        folding: When two values are the same.
        similarity: Of two free texts; only pairs that differ are asked for.
        schemas: Function → its parameters' JSON schema, for AST match; a function without one takes any types.
    """

    roles: Roles = field(default_factory=Roles)
    folding: ValueFolding = field(default_factory=ValueFolding)
    similarity: Similarity = no_similarity
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RowScores:
    """Figures of every row, in the order of the golden set. ``nan``: the metric does not speak of this row.

    Attributes:
        labels: Golden class of each row: a function, or `NO_CALL`.
        predicted: Predicted class: a function of the golden set, `NO_CALL`, `OTHER` or `INVALID`.
        exact: float64, (rows,); 1 where the reply is one call, and function and all arguments are the same.
        ast: float64, (rows,); 1 where the one call matches by syntax tree: types by the schema, no synonyms.
        category_hits: float64, (rows,); declared category arguments that are the same.
        category_total: float64, (rows,); declared category arguments of golden or predicted call.
        similarity: float64, (rows,); mean cosine of the declared free-text arguments of golden or predicted call; 0 for
            one that is missing in the other.
        golden_similarity: float64, (rows,); the same over those of the golden call; one that is missing in the
            predicted call is compared as an empty text.
        pair_hits: float64, (rows,); argument-value pairs that both calls hold.
        pair_golden: float64, (rows,); pairs of the golden call.
        pair_predicted: float64, (rows,); pairs of the predicted call.
        valid: float64, (rows,); 1 where a call could be read, 0 where one was begun and could not; ``nan`` for words.
    """

    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    exact: NDArray[np.float64]
    ast: NDArray[np.float64]
    category_hits: NDArray[np.float64]
    category_total: NDArray[np.float64]
    similarity: NDArray[np.float64]
    golden_similarity: NDArray[np.float64]
    pair_hits: NDArray[np.float64]
    pair_golden: NDArray[np.float64]
    pair_predicted: NDArray[np.float64]
    valid: NDArray[np.float64]


def score_rows(golden: Sequence[GoldenRow], replies: Sequence[ParsedReply], scoring: Scoring) -> RowScores:
    """Score each reply against its golden row.

    Args:
        golden: The golden set.
        replies: One for each row, in the same order. Of several calls the first is scored, but a reply that makes more
            than one is neither an exact nor an AST match: the program would do more than was asked for.
        scoring: By what.
    """
    roles, folding = scoring.roles, scoring.folding
    known = {row.label for row in golden}
    columns = np.zeros((8, len(golden)))
    exact, tree, hits, total, pair_hits, pair_golden, pair_predicted, valid = columns
    pairs: list[tuple[str, str]] = []
    owners: list[tuple[int, bool]] = []
    sums, counts, golden_sums, golden_counts = np.zeros((4, len(golden)))
    predicted_labels = []
    for index, (row, reply) in enumerate(zip(golden, replies, strict=True)):
        predicted_labels.append(_class_of(reply, known))
        valid[index] = np.nan if reply.valid and reply.call is None else reply.valid
        call = reply.call if reply.valid else None
        single = reply.valid and len(reply.calls) <= 1
        exact[index] = single and folding.same_call(row.call, call)
        tree[index] = single and _same_tree(row.call, call, scoring.schemas)
        wanted = folding.fold_call(row.call) if row.call else {}
        given = folding.fold_call(call) if call else {}
        # Arguments of another function are other arguments, even where they share a name.
        agreed = given if row.call and call and row.call.function == call.function else {}
        pair_golden[index], pair_predicted[index] = len(wanted), len(given)
        pair_hits[index] = sum(agreed.get(name) == value for name, value in wanted.items())
        if row.call is None:
            continue
        categories = roles.categories.get(row.call.function, frozenset()) & (wanted.keys() | agreed.keys())
        total[index] = len(categories)
        hits[index] = sum(wanted.get(name) == agreed.get(name) for name in categories)
        for name in roles.free_texts.get(row.call.function, frozenset()) & (wanted.keys() | agreed.keys()):
            counts[index] += 1
            golden_counts[index] += name in wanted
            if wanted.get(name) == agreed.get(name):
                sums[index] += 1
                golden_sums[index] += 1
            elif name in wanted:
                pairs.append((wanted[name], agreed.get(name, "")))
                owners.append((index, name in agreed))
    for (index, is_given), cosine in zip(owners, scoring.similarity(pairs) if pairs else (), strict=True):
        likeness = max(0.0, float(cosine))
        golden_sums[index] += likeness
        sums[index] += likeness * is_given
    with np.errstate(invalid="ignore"):
        similar = sums / np.where(counts > 0, counts, np.nan)
        golden_similar = golden_sums / np.where(golden_counts > 0, golden_counts, np.nan)
    labels = tuple(row.label for row in golden)
    return RowScores(
        labels,
        tuple(predicted_labels),
        exact,
        tree,
        hits,
        total,
        similar,
        golden_similar,
        pair_hits,
        pair_golden,
        pair_predicted,
        valid,
    )


def _same_tree(golden: Call | None, predicted: Call | None, schemas: Mapping[str, Mapping[str, Any]]) -> bool:
    if golden is None or predicted is None:
        return golden is predicted
    # The golden call says what must be there: in a first turn users leave out what the schema requires.
    anything: dict[str, Any] = {name: {} for name in golden.arguments}
    schema = {"properties": schemas.get(golden.function, {}).get("properties", anything)}
    given = {name: value for name, value in predicted.arguments.items() if value is not None}  # null is absent
    predicted = Call(predicted.function, given)
    return matches(predicted, possible_call(golden, schema), schema)


def _class_of(reply: ParsedReply, known: set[str]) -> str:
    if not reply.valid:
        return INVALID
    if reply.call is None:
        return NO_CALL
    return reply.call.function if reply.call.function in known else OTHER


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: precision, recall and F1; 0 where there is nothing to divide by."""

    precision: float
    recall: float
    f1: float
    support: int


def classification(
    labels: Sequence[str], predicted: Sequence[str], weights: NDArray[np.float64] | None = None
) -> dict[str, ClassScore]:
    """Each class of the golden set, in alphabetical order.

    Args:
        labels: Golden classes.
        predicted: Predicted classes.
        weights: How often each row counts; ``None``: once. A bootstrap gives the times each row was drawn.
    """
    counts = np.ones(len(labels)) if weights is None else weights
    names = sorted(set(labels))
    number_of = {name: number for number, name in enumerate(names)}
    golden = np.array([number_of[label] for label in labels])
    guessed = np.array([number_of.get(label, len(names)) for label in predicted])
    support = np.bincount(golden, counts, len(names))
    chosen = np.bincount(guessed, counts, len(names) + 1)[: len(names)]
    right = np.bincount(golden[golden == guessed], counts[golden == guessed], len(names))
    precision = np.divide(right, chosen, out=np.zeros(len(names)), where=chosen > 0)
    recall = np.divide(right, support, out=np.zeros(len(names)), where=support > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(names)), where=both > 0)
    return {
        name: ClassScore(float(precision[n]), float(recall[n]), float(f1[n]), int(support[n]))
        for name, n in number_of.items()
    }


Metric = Callable[[RowScores, NDArray[np.float64]], float]
"""A figure of the rows, each counted as often as its weight says; ``nan`` where it is not defined."""


def _ratio(hits: NDArray[np.float64], total: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    below = float(total @ weights)
    return float(hits @ weights) / below if below else float("nan")


def _f1(scores: RowScores, weights: NDArray[np.float64], by_support: bool) -> float:
    classes = [c for c in classification(scores.labels, scores.predicted, weights).values() if c.support]
    f1s = [c.f1 for c in classes]
    return float(np.average(f1s, weights=[c.support for c in classes] if by_support else None)) if f1s else float("nan")


def _slot_f1(scores: RowScores, weights: NDArray[np.float64]) -> float:
    return _ratio(2 * scores.pair_hits, scores.pair_golden + scores.pair_predicted, weights)


def _mean(figures: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Over the rows of which the figure speaks."""
    speaks = ~np.isnan(figures)
    return _ratio(np.where(speaks, figures, 0.0), speaks.astype(float), weights)


METRICS: dict[str, Metric] = {
    "f1": lambda scores, weights: _f1(scores, weights, by_support=False),
    "f1_weighted": lambda scores, weights: _f1(scores, weights, by_support=True),
    "cta": lambda scores, weights: _ratio(scores.category_hits, scores.category_total, weights),
    "ss": lambda scores, weights: _mean(scores.similarity, weights),
    "ss_golden": lambda scores, weights: _mean(scores.golden_similarity, weights),
    "exact_match": lambda scores, weights: _mean(scores.exact, weights),
    "ast_match": lambda scores, weights: _mean(scores.ast, weights),
    "slot_f1": _slot_f1,
    "json_validity": lambda scores, weights: _mean(scores.valid, weights),
}
"""Name in results → how it is computed. F1, CTA and SS are the paper's; the others are ours."""
