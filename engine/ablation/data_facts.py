"""What an arm's models learnt from: the rows' variety, and the steps that were made on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenator.engine.ablation.steps import Step
from routenator.engine.reports.building import report_on
from routenator.engine.training.trainer import STATE_FILE

KEYWORD_PLACES = {"start": 0.0, "middle": 0.5, "end": 1.0}


@dataclass(frozen=True)
class DataFacts:
    """What an arm's models learnt from, as means over its seeds; ``nan``: not known.

    Attributes:
        rows: Rows that were learnt or chose the step. All else but ``steps`` is of those that were delivered, from
            which these were drawn.
        accepted_share: Accepted samples by all samples.
        distinct_3: Distinct word 3-grams as a share of all.
        place_variance: Variance of the keyword's place (start 0, middle 0.5, end 1) in queries that name the category.
        words: Mean length of a query.
        steps: Optimizer steps that were made.
    """

    rows: float
    accepted_share: float
    distinct_3: float
    place_variance: float
    words: float
    steps: float


def read_data(done: Sequence[Step]) -> dict[str, DataFacts]:
    """Arm → facts, as means over the seeds that are done.

    Args:
        done: Finished steps.

    Raises:
        RunError: A run cannot be read.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for step in done:
        if step.kind == "evaluate":
            continue
        by_name = found.setdefault(step.arm, {name: [] for name in DataFacts.__dataclass_fields__})
        for name, value in _read_rows(step.folder).items() if step.kind == "generate" else _read_steps(step.folder):
            by_name[name].append(value)
    return {
        arm: DataFacts(**{name: float(np.mean(values)) if values else float("nan") for name, values in facts.items()})
        for arm, facts in found.items()
    }


def _read_steps(model: Path) -> list[tuple[str, float]]:
    state = json.loads((model / STATE_FILE).read_bytes())
    return [("steps", state["steps"]), ("rows", state.get("rows", float("nan")))]  # rows: since trainings say it


def _read_rows(run: Path) -> Mapping[str, float]:
    report, _ = report_on(run)
    samples = sum(funnel.samples for funnel in report.routes)
    positions = report.keyword_positions
    places = [place for name, place in KEYWORD_PLACES.items() for _ in range(positions.get(name, 0))]
    words = sum(count * rows for length in report.lengths for count, rows in length.rows_by_words.items())
    distinct = report.diversity.distinct[3]
    return {
        "accepted_share": report.delivered / samples if samples else float("nan"),
        "distinct_3": float("nan") if distinct is None else distinct,
        "place_variance": float(np.var(places)) if places else float("nan"),
        "words": words / report.delivered if report.delivered else float("nan"),
    }
