"""The result of an evaluation: every metric with its interval, by class and by slice, and the errors, sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from routenator.engine.evaluation.calls import ParsedReply
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.intervals import Estimate, estimate
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.predictions import Prediction
from routenator.engine.evaluation.scores import INVALID, METRICS, ClassScore, RowScores, classification

LENGTH_SLICES = ((1, 4), (5, 8), (9, 12), (13, None))
"""Words of a query, both ends included."""
ERROR_KINDS = (
    "no_answer",
    "unreadable",
    "missed_call",
    "needless_call",
    "wrong_function",
    "several_calls",
    "wrong_arguments",
    "missing_argument",
    "needless_argument",
)
"""From the gravest to the lightest: what `errors.jsonl` is sorted by."""


@dataclass(frozen=True)
class Facts:
    """What was measured, on what, and by what.

    Attributes:
        model: Its name.
        identity: What its answers depend on.
        golden: ``{"file", "sha256", "rows"}``.
        roles: The arguments that CTA and SS look at, by function.
        sentence_model: Of SS; ``None`` where no argument is free text.
        version: Ours.
    """

    model: str
    identity: Mapping[str, Any]
    golden: Mapping[str, Any]
    roles: Mapping[str, Any]
    sentence_model: str | None
    version: str


@dataclass(frozen=True)
class Slice:
    """The metrics on part of the rows, without intervals."""

    axis: str
    value: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class EvaluationResult:
    """Everything that a report shows.

    Attributes:
        metrics: Name → figure with interval, over all rows.
        classes: Function, or no call, → precision, recall, F1.
        confusion: Golden class → predicted class → rows.
        slices: By length and by language.
        rows: Golden rows.
        rows_per_s: Answers in a second, over the time that was spent asking; ``None`` where it was not measured.
        tokens_per_s: Tokens of the answers in a second.
        errors: How many rows have each kind of error.
    """

    metrics: Mapping[str, Estimate]
    classes: Mapping[str, ClassScore]
    confusion: Mapping[str, Mapping[str, int]]
    slices: Sequence[Slice]
    rows: int
    rows_per_s: float | None
    tokens_per_s: float | None
    errors: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def build_result(
    golden: Sequence[GoldenRow],
    predictions: Sequence[Prediction],
    scores: RowScores,
    errors: Sequence[Mapping[str, Any]],
) -> EvaluationResult:
    """Sum up.

    Args:
        golden: The golden set.
        predictions: One for each row, in the same order.
        scores: Of the same rows.
        errors: What `find_errors` gave.
    """
    confusion: dict[str, Counter[str]] = {}
    for label, predicted in zip(scores.labels, scores.predicted, strict=True):
        confusion.setdefault(label, Counter())[predicted] += 1
    seconds = sum(prediction.seconds for prediction in predictions)
    tokens = sum(prediction.completion_tokens for prediction in predictions)
    return EvaluationResult(
        metrics=estimate(scores),
        classes=classification(scores.labels, scores.predicted),
        confusion={label: dict(counts) for label, counts in sorted(confusion.items())},
        slices=tuple(_slices(golden, scores)),
        rows=len(golden),
        rows_per_s=len(golden) / seconds if seconds else None,
        tokens_per_s=tokens / seconds if seconds else None,
        errors=dict(Counter(str(error["kind"]) for error in errors)),
    )


def _slices(golden: Sequence[GoldenRow], scores: RowScores) -> list[Slice]:
    words = np.array([len(row.query.split()) for row in golden])
    masks: list[tuple[str, str, Any]] = []
    for low, high in LENGTH_SLICES:
        name = f"{low}-{high} words" if high else f"{low} words and more"
        masks.append(("length", name, (words >= low) & (words <= (high or words.max(initial=low)))))
    languages = np.array([row.language for row in golden])
    masks += [("language", language, languages == language) for language in sorted(set(languages.tolist()))]
    return [
        Slice(
            axis,
            name,
            int(mask.sum()),
            {metric: figure(scores, mask.astype(np.float64)) for metric, figure in METRICS.items()},
        )
        for axis, name, mask in masks
        if mask.any()
    ]


def find_errors(
    golden: Sequence[GoldenRow],
    predictions: Sequence[Prediction],
    replies: Sequence[ParsedReply],
    folding: ValueFolding,
) -> list[dict[str, Any]]:
    """Every row that is not an exact match, with what is wrong: the gravest kinds first, the same mistakes together."""
    errors = []
    for row, prediction, reply in zip(golden, predictions, replies, strict=True):
        found = _what_is_wrong(row, prediction, reply, folding)
        if found is None:
            continue
        kind, detail = found
        call = reply.call if reply.valid else None
        errors.append(
            {
                "kind": kind,
                "detail": detail,
                "id": row.id,
                "query": row.query,
                "golden": None if row.call is None else {"name": row.call.function, "arguments": row.call.arguments},
                "predicted": None if call is None else {"name": call.function, "arguments": call.arguments},
                "text": prediction.text,
            }
        )
    errors.sort(key=lambda error: (ERROR_KINDS.index(error["kind"]), error["detail"], error["id"]))
    return errors


def _what_is_wrong(
    row: GoldenRow, prediction: Prediction, reply: ParsedReply, folding: ValueFolding
) -> tuple[str, str] | None:
    if prediction.error is not None:
        return "no_answer", prediction.error
    if not reply.valid:
        return "unreadable", reply.problem or INVALID
    if len(reply.calls) <= 1 and folding.same_call(row.call, reply.call):
        return None
    if reply.call is None:
        return "missed_call", row.label
    if row.call is None:
        return "needless_call", reply.call.function
    if reply.call.function != row.call.function:
        return "wrong_function", f"{row.call.function} → {reply.call.function}"
    if len(reply.calls) > 1:
        return "several_calls", f"{row.call.function} and {len(reply.calls) - 1} more"
    wanted, given = folding.fold_call(row.call), folding.fold_call(reply.call)
    if different := sorted(name for name in wanted.keys() & given.keys() if wanted[name] != given[name]):
        return "wrong_arguments", f"{row.call.function}: {', '.join(different)}"
    if missing := sorted(wanted.keys() - given.keys()):
        return "missing_argument", f"{row.call.function}: {', '.join(missing)}"
    return "needless_argument", f"{row.call.function}: {', '.join(sorted(given.keys() - wanted.keys()))}"
