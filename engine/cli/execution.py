"""Run a run: lock its directory, fill its slots, write its dataset. Ctrl-C once drains, twice leaves at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from routenator.engine.cli.console import EXIT_INTERRUPTED, err, say
from routenator.engine.cli.inputs import MAY_CHANGE, RunInputs
from routenator.engine.cli.live import show_progress
from routenator.engine.cli.services import Knowledge, make_runner, open_pool, resolve_meta
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.datasets.writing import write_dataset
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.run_directory import RunDirectory
from routenator.engine.ledger.writer import LedgerWriter
from routenator.engine.llm.pool import LlmPool
from routenator.engine.runs.filling import fill_slots
from routenator.engine.runs.states import RunState, WorkerState
from routenator.engine.runs.tally import Tally
from routenator.engine.runs.window import StopSwitch

DRAIN_LIMIT_S = 4.0
"""Seconds that a second Ctrl-C leaves for the last commit."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        interrupted: Whether the user stopped it; the same command goes on.
    """

    delivered: int
    planned: int
    interrupted: bool


def run_async(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


async def execute(inputs: RunInputs, run_dir: Path, *, as_json: bool) -> Outcome:
    """Start or continue the run in ``run_dir`` and write its dataset.

    Raises:
        RunError: The run is locked, changed, or cannot go on; what was committed stays.
    """
    stop = StopSwitch()
    with (
        _interrupts(stop) as interrupts,
        RunDirectory.create_or_open(
            run_dir, identity=inputs.identity(), planned_rows=inputs.recipe.rows, may_change=MAY_CHANGE
        ) as directory,
    ):
        if not directory.created:
            say(f"Continuing the run in {run_dir}.")
        async with open_pool(inputs.endpoints) as pool, LedgerWriter(run_dir, on_failure=stop.fail) as writer:
            say("Loading the knowledge graph and checking the endpoints …")
            knowledge = await asyncio.to_thread(Knowledge.load, inputs, say)
            meta = _stored_meta(run_dir)
            if meta is None:
                meta = await resolve_meta(inputs, knowledge, pool, say)
                targets = meta.plan.expected_counts("route")
                await writer.set_meta(**meta.to_meta(), route_targets=targets)
            tally = _start_tally(run_dir, meta)
            runner = make_runner(inputs, knowledge, pool, meta)
            interrupts.is_filling = True

            def state() -> RunState:
                return _run_state(tally, pool, writer, inputs.recipe.max_in_flight)

            async with show_progress(state, as_json=as_json):
                given_up = await fill_slots(run_dir, inputs.recipe, runner, runner.prefix_of, writer, tally, stop)
            if given_up is not None:
                say(f"Every sample of the last pass failed at its endpoint, the last with: {given_up}", style="yellow")
                say("Mend it and give the same command again: the open slots have rounds left.")
        with LedgerReader(run_dir) as reader:
            write_dataset(map(DatasetRow.from_ledger, reader.accepted_rows()), run_dir / "dataset")
            counts = reader.counts()
    return Outcome(counts.accepted, counts.planned, stop.is_set and counts.accepted < counts.planned)


def _stored_meta(run_dir: Path) -> RunMeta | None:
    with LedgerReader(run_dir) as reader:
        meta = reader.meta()
    return RunMeta.from_meta(meta) if "plan" in meta else None


def _start_tally(run_dir: Path, meta: RunMeta) -> Tally:
    with LedgerReader(run_dir) as reader:
        delivered = {
            group["route"]: group["samples"]
            for group in reader.tally("route", "verdict")
            if group["verdict"] == "accepted"
        }
    return Tally(meta.plan.rows, meta.plan.expected_counts("route"), Counter(delivered))


def _run_state(tally: Tally, pool: LlmPool, writer: LedgerWriter, max_in_flight: int) -> RunState:
    """The run as its one process sees it."""
    worker = WorkerState(
        0,
        os.getpid(),
        in_flight=tally.in_flight,
        max_in_flight=max_in_flight,
        endpoints=pool.states(),
        stuck=writer.trouble,
    )
    return RunState(
        phase=tally.phase,
        planned=tally.planned,
        targets=dict(tally.targets),
        delivered=dict(tally.delivered),
        rejected=dict(tally.rejected),
        failed=dict(tally.failed),
        rate_s=tally.rate_s(),
        eta_s=tally.eta_s(),
        max_in_flight=max_in_flight,
        workers=(worker,),
    )


class _Interrupts:
    """First SIGINT or SIGTERM: take nothing new. Second, or before there is anything to drain: leave at once."""

    def __init__(self, stop: StopSwitch) -> None:
        self.is_filling = False
        self._stop = stop
        self._task = asyncio.current_task()
        self._leaving = False

    def on_signal(self) -> None:
        """Drain or leave."""
        if self._leaving:
            return
        if self.is_filling and not self._stop.is_set:
            self._stop.set()
            say("Stopping: waiting for the samples in flight (Ctrl-C again to leave at once) …")
            return
        self._leaving = True
        if self.is_filling:
            say("Leaving: what is in flight is given up; everything that had ended is committed.")
        assert self._task is not None
        self._task.cancel()
        # Cancelling waits for the last commit; if something does not let go, leave all the same.
        asyncio.get_running_loop().call_later(DRAIN_LIMIT_S, _exit_now)


@contextmanager
def _interrupts(stop: StopSwitch) -> Iterator[_Interrupts]:
    loop = asyncio.get_running_loop()
    interrupts = _Interrupts(stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupts.on_signal)
    try:
        yield interrupts
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _exit_now() -> None:
    err.show_cursor()
    sys.stderr.flush()
    # The kernel frees the lock, and the ledger loses nothing that it had confirmed.
    os._exit(EXIT_INTERRUPTED)
