"""Asking a model for the rows that it has not answered: progress for people, and a way to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import typer

from routenator.engine.cli.console import EXIT_INTERRUPTED, say
from routenator.engine.cli.services import open_pool
from routenator.engine.config import EndpointsFile
from routenator.engine.evaluation.asking import ask_model
from routenator.engine.evaluation.endpoint_model import EndpointModel, ToolsInRequest
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.local_model import LocalModel
from routenator.engine.evaluation.predictions import PredictionFile, Predictor
from routenator.engine.evaluation.wording import time_left

_SAY_EVERY_S = 10.0


def ask_local(
    model: str,
    tools: Sequence[dict[str, Any]],
    tools_in_prompt: ToolsInRequest | None,
    batch_size: int,
    rows: Sequence[GoldenRow],
    open_file: Callable[[Predictor], PredictionFile],
) -> tuple[str, PredictionFile]:
    """Ask a model on this machine. The model's name, and its answers.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the rows that were being answered are.
    """
    if tools_in_prompt == "api":
        raise typer.BadParameter("api is for endpoints; give schemas", param_hint="--tools-in-prompt")
    predictor = LocalModel.load(model, tools, tools_in_prompt, batch_size)

    def stop(number: int, frame: Any) -> None:
        if predictor.stopping:
            os._exit(EXIT_INTERRUPTED)  # the batch's thread cannot be stopped
        predictor.stopping = True
        say("Stopping after the rows that are being answered. Once more to leave at once.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        found = asyncio.run(_ask(predictor, rows, open_file))
    finally:
        signal.signal(signal.SIGINT, before)
    if predictor.stopping:
        raise KeyboardInterrupt
    return found


async def ask_endpoint(
    endpoints: EndpointsFile,
    tools: Sequence[dict[str, Any]],
    tools_in_prompt: ToolsInRequest,
    rows: Sequence[GoldenRow],
    open_file: Callable[[Predictor], PredictionFile],
) -> tuple[str, PredictionFile]:
    """Ask the endpoint that plays the role ``text``. Its model's name, and the answers."""
    async with open_pool(endpoints) as pool:
        return await _ask(EndpointModel(pool, "text", tools, tools_in_prompt), rows, open_file)


async def _ask(
    predictor: Predictor, rows: Sequence[GoldenRow], open_file: Callable[[Predictor], PredictionFile]
) -> tuple[str, PredictionFile]:
    """Ask for what is not answered yet, and say how far it is."""
    file = open_file(predictor)
    before = sum(row.id in file.answers for row in rows)
    if before:
        say(f"{before:,} of {len(rows):,} rows are answered already.")
    began = time.monotonic()

    async def say_progress() -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY_S)
            done = sum(row.id in file.answers for row in rows)
            if done > before:
                pace = (done - before) / (time.monotonic() - began)
                say(f"{done:,} of {len(rows):,} rows, {pace:.1f} a second, {time_left((len(rows) - done) / pace)}")

    progress = asyncio.create_task(say_progress())
    try:
        await ask_model(predictor, rows, file)
    finally:
        progress.cancel()
    return predictor.name, file
