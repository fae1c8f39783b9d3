"""The report of an ablation, read from its folder: models on the golden set, and the rows that they learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from routenator.engine.ablation.data_facts import DataFacts
from routenator.engine.ablation.figures import ArmFigure, Seed, compute_figures
from routenator.engine.ablation.folder import AblationFolder
from routenator.engine.ablation.settings import BASELINE
from routenator.engine.ablation.steps import Step
from routenator.engine.errors import RouteNatorError
from routenator.engine.evaluation.comparison import PREDICTIONS
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.predictions import read_predictions
from routenator.engine.evaluation.scores import RowScores, Scoring, score_rows


@dataclass(frozen=True)
class AblationReport:
    """What the table and the plot show.

    Attributes:
        figures: Arm → metric → figure, in the order of the arms.
        data: Arm → what was learnt.
        queries: Rows of the golden set.
        seeds: Arm → seeds that were measured.
        missing: Steps that are not done.
        skipped: Arm → why it was left out.
        facts: What was compared: pack, base model, rows, steps, golden set.
    """

    figures: Mapping[str, Mapping[str, ArmFigure]]
    data: Mapping[str, DataFacts]
    queries: int
    seeds: Mapping[str, int]
    missing: Sequence[str]
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """JSON-able values; ``nan`` stands for what is not defined."""
        return asdict(self)


def build_report(
    folder: AblationFolder,
    steps: Sequence[Step],
    golden: Sequence[GoldenRow],
    scoring: Scoring,
    data: Mapping[str, DataFacts],
    skipped: Mapping[str, str],
    facts: Mapping[str, Any],
) -> AblationReport:
    """Read what is done.

    Args:
        folder: The ablation.
        steps: All of its steps; results of other inputs than theirs are not shown.
        golden: The golden set.
        scoring: By what answers are scored.
        data: Arm → what its models learnt from.
        skipped: Arm → why it was left out.
        facts: What was compared.
    """
    done = find_done(folder, steps)
    scores: dict[str, dict[Seed, RowScores]] = {}
    for step in done:
        if step.kind == "evaluate":
            scores.setdefault(step.arm, {})[step.seed] = read_scores(step.folder, golden, scoring)
    return AblationReport(
        figures=compute_figures(scores, BASELINE),
        data=data,
        queries=len(golden),
        seeds={arm: len(by_seed) for arm, by_seed in scores.items()},
        missing=[step.name for step in steps if step not in done],
        skipped=skipped,
        facts=facts,
    )


def find_done(folder: AblationFolder, steps: Sequence[Step]) -> list[Step]:
    """The steps whose results are there and were made from what is asked for."""
    return [step for step in steps if folder.condition(step)[0] == "done"]


def read_scores(evaluation: Path, golden: Sequence[GoldenRow], scoring: Scoring) -> RowScores:
    """Score the answers in the folder of an evaluation.

    Raises:
        InputError: It holds no answers.
        RouteNatorError: It has not answered every row.
    """
    answers = read_predictions(evaluation / PREDICTIONS)[1]
    if missing := sum(row.id not in answers for row in golden):
        raise RouteNatorError(
            f"{evaluation} has no answer to {missing:,} of {len(golden):,} rows",
            hint="Remove that folder and give the command again",
        )
    return score_rows(golden, [answers[row.id].parse() for row in golden], scoring)
