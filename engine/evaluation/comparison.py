"""This model beside another that has answered the same golden rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from routenator.engine.errors import Fault, InputError
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.intervals import Difference, compare_models
from routenator.engine.evaluation.predictions import Prediction, read_predictions
from routenator.engine.evaluation.scores import METRICS, RowScores, Scoring, score_rows

PREDICTIONS = "predictions.jsonl"
RESULTS = "results.json"


@dataclass(frozen=True)
class OtherModel:
    """An evaluation that was made before."""

    name: str
    answers: Mapping[str, Prediction]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        other: Name of the model that was given to compare with.
        metrics: Its figures.
        differences: This model minus the other.
    """

    other: str
    metrics: Mapping[str, float]
    differences: Mapping[str, Difference]


def load_other(folder: Path, golden: Sequence[GoldenRow], golden_sha256: str) -> OtherModel:
    """Read the answers of another evaluation.

    Raises:
        InputError: It is no evaluation, or of another golden set, or has not answered all of these rows.
    """
    fix = "Give the folder of an evaluation of the same golden set"
    try:
        facts = orjson.loads((folder / RESULTS).read_bytes())
        name, digest = str(facts["model"]), facts["golden"]["sha256"]
    except OSError as exc:
        raise InputError([Fault(str(folder), f"{RESULTS} cannot be read ({exc.strerror})", fix)]) from None
    except (ValueError, KeyError, TypeError):
        raise InputError([Fault(str(folder / RESULTS), "is no result of an evaluation", fix)]) from None
    if digest != golden_sha256:
        raise InputError([Fault(str(folder), "is an evaluation on another golden set", fix)])
    answers = read_predictions(folder / PREDICTIONS)[1]
    if missing := sum(row.id not in answers for row in golden):
        what = f"has no answer to {missing:,} of the {len(golden):,} rows"
        raise InputError([Fault(str(folder), what, "Evaluate that model on all of them first")])
    return OtherModel(name, answers)


def compare_with(other: OtherModel, golden: Sequence[GoldenRow], scores: RowScores, scoring: Scoring) -> Comparison:
    """Score the other model's answers in the same way and set the two side by side."""
    others = score_rows(golden, [other.answers[row.id].parse() for row in golden], scoring)
    whole = np.ones(len(golden))
    figures = {name: metric(others, whole) for name, metric in METRICS.items()}
    return Comparison(other.name, figures, compare_models(others, scores))
