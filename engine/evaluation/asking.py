"""Ask a model for every row that has no answer yet, and keep each answer as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.predictions import Prediction, PredictionFile, Predictor


async def ask_model(predictor: Predictor, rows: Sequence[GoldenRow], file: PredictionFile) -> None:
    """Answer the rows that ``file`` has no answer to.

    Args:
        predictor: The model.
        rows: The golden rows.
        file: Holds what was answered before; takes what is answered now.

    Raises:
        RouteNatorError: The model cannot be asked. What was answered is kept.
    """
    missing = [row for row in rows if row.id not in file.answers]
    answers = cast("AsyncGenerator[Prediction]", predictor.predict(missing))
    async with aclosing(answers):  # stops what is in flight when we stop
        async for prediction in answers:
            file.append([prediction])
