"""Run a run: lock its directory, fill its slots, write its dataset. Ctrl-C once drains, twice leaves at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from routenator.engine.cli.console import say
from routenator.engine.cli.embedded_servers import BaseUrls, hold_embedded
from routenator.engine.cli.garbage import collect_seldom
from routenator.engine.cli.inputs import MAY_CHANGE, RunInputs
from routenator.engine.cli.live import show_progress
from routenator.engine.cli.services import Knowledge, connect, make_worker_runner, resolve_meta
from routenator.engine.cli.steering import steer
from routenator.engine.cli.worker import WorkerSettings, say_once, worker_command
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.datasets.writing import write_dataset
from routenator.engine.ledger.reader import Counts, LedgerReader
from routenator.engine.ledger.run_directory import RunDirectory
from routenator.engine.ledger.writer import LedgerWriter
from routenator.engine.runs.control import MAX_IN_FLIGHT, ControlServer
from routenator.engine.runs.coordinator import Coordinator
from routenator.engine.runs.file_limit import fit_to_file_limit, raise_file_limit
from routenator.engine.runs.worker import LocalWorker, Worker
from routenator.engine.runs.worker_process import ProcessWorker

ROWS_A_WORKER = 1_000
"""Rows that are worth the start of another process."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        interrupted: Whether the user stopped it; the same command goes on.
    """

    delivered: int
    planned: int
    interrupted: bool


async def execute(inputs: RunInputs, run_dir: Path, *, workers: int | None, as_json: bool) -> Outcome:
    """Start or continue the run in ``run_dir`` and write its dataset.

    Args:
        inputs: What it is made from.
        run_dir: Its directory.
        workers: Processes that run samples; ``None``: `default_workers`. A run that is continued has as many at most
            as it was begun with.
        as_json: Show progress as lines of JSON.

    Raises:
        RunError: The run is locked, changed, or cannot go on; what was committed stays.
    """
    wanted = workers or default_workers(inputs.recipe.rows)
    steering = steer(inputs.recipe.rows)
    with (
        RunDirectory.create_or_open(
            run_dir,
            identity=inputs.identity(),
            planned_rows=inputs.recipe.rows,
            may_change=MAY_CHANGE,
            ledgers=wanted,
        ) as directory,
        _discarded_if_empty(directory),
    ):
        if not directory.created:
            say(f"Continuing the run in {run_dir}.")
        count = min(wanted, directory.layout.ledgers)
        if workers is not None and count < workers:
            say(f"It was begun with {count} worker{'s' if count > 1 else ''}, and has as many at most.")
        steering.delivered = _delivered(run_dir)
        async with ControlServer(run_dir, steering, say):
            async with hold_embedded(inputs.endpoints) as base_urls:
                say("Loading the knowledge graph and checking the endpoints …")
                async with _open_run(inputs, directory, base_urls, count) as coordinator:
                    steering.coordinator = coordinator
                    async with show_progress(coordinator.state, as_json=as_json):
                        with collect_seldom():
                            given_up = await coordinator.fill()
                    steering.delivered = coordinator.state().delivered
                    steering.coordinator, steering.idle_phase = None, "writing"
                if given_up is not None:
                    last = f"Every sample of the last pass failed, the last with: {given_up}"
                    say(last, style="yellow")
                    say("Mend it and give the same command again: the open slots have rounds left.")
            interrupted = coordinator.is_stopping
            counts = await asyncio.to_thread(_finish, run_dir, with_dataset=not interrupted)
    return Outcome(counts.accepted, counts.planned, interrupted)


def _finish(run_dir: Path, *, with_dataset: bool) -> Counts:
    """Write the dataset, which takes minutes of a large run: a stop does without. How the slots stand."""
    with LedgerReader(run_dir) as reader:
        if with_dataset:
            write_dataset(map(DatasetRow.from_ledger, reader.accepted_rows()), run_dir / "dataset")
        return reader.counts()


def default_workers(rows: int) -> int:
    """Processes for a run of ``rows`` rows: one for each core, but none for less than `ROWS_A_WORKER` rows."""
    return max(1, min(len(os.sched_getaffinity(0)), rows // ROWS_A_WORKER))


@asynccontextmanager
async def _open_run(
    inputs: RunInputs, directory: RunDirectory, base_urls: BaseUrls, count: int
) -> AsyncIterator[Coordinator]:
    """The run's coordinator with ``count`` workers, ready to begin."""
    run_dir, recipe = directory.path, inputs.recipe
    files = raise_file_limit()
    max_in_flight, notice = fit_to_file_limit(recipe.max_in_flight, count, files)
    if notice is not None:
        say(notice, style="yellow")
    meta = _stored_meta(run_dir)
    async with AsyncExitStack() as stack:
        knowledge, pool = None, None
        if meta is None or count == 1:
            # One worker lives in this process; several find the graph in the cache and load it themselves.
            pool = await stack.enter_async_context(connect(inputs.endpoints, base_urls))
            knowledge = await asyncio.to_thread(Knowledge.load, inputs, say)
        if meta is None:
            assert knowledge is not None and pool is not None
            meta = await resolve_meta(inputs, knowledge, pool, say)
            await _store_meta(run_dir, meta)
        workers: list[Worker]
        if count == 1:
            assert knowledge is not None and pool is not None
            runner = make_worker_runner(inputs, knowledge, pool, meta)
            local = LocalWorker(run_dir, directory.layout, recipe, runner, max_in_flight=max_in_flight)
            workers = [await stack.enter_async_context(local)]
        else:
            del knowledge, pool
            workers = await _start_workers(directory, base_urls, count, max_in_flight, stack)
        yield Coordinator(
            run_dir,
            recipe,
            directory.layout,
            workers,
            targets=meta.plan.expected_counts("route"),
            max_in_flight=max_in_flight,
            possible_in_flight=fit_to_file_limit(MAX_IN_FLIGHT, count, files)[0],
        )


@contextmanager
def _discarded_if_empty(directory: RunDirectory) -> Iterator[None]:
    """Remove a new run that ends before it has begun, by a fault or by Ctrl-C: it must not hold on to its settings."""
    try:
        yield
    except BaseException:
        if directory.created and _stored_meta(directory.path) is None:
            directory.discard()
        raise


async def _start_workers(
    directory: RunDirectory, base_urls: BaseUrls, count: int, max_in_flight: int, stack: AsyncExitStack
) -> list[Worker]:
    """Worker processes, all of them ready."""
    say(f"Starting {count} workers …")
    tell = say_once(say)
    found: list[ProcessWorker] = []

    async def close_all() -> None:
        # All at once: each has its last commit to make, and a second Ctrl-C leaves them few seconds.
        async with asyncio.TaskGroup() as group:
            for process in found:
                group.create_task(process.close())

    stack.push_async_callback(close_all)
    for number in range(count):
        settings = WorkerSettings(str(directory.path.absolute()), number, count, max_in_flight, base_urls)
        process = await ProcessWorker.start(
            number, worker_command(), settings.to_message(), directory.lock_descriptor, tell
        )
        found.append(process)
    await asyncio.gather(*(process.wait_ready() for process in found))
    return list(found)


def _stored_meta(run_dir: Path) -> RunMeta | None:
    with LedgerReader(run_dir) as reader:
        meta = reader.meta()
    return RunMeta.from_meta(meta) if "plan" in meta else None


async def _store_meta(run_dir: Path, meta: RunMeta) -> None:
    async with LedgerWriter(run_dir, on_failure=lambda failure: None) as writer:
        await writer.set_meta(**meta.to_meta(), route_targets=meta.plan.expected_counts("route"))


def _delivered(run_dir: Path) -> dict[str, int]:
    """Route → rows that are there."""
    with LedgerReader(run_dir) as reader:
        groups = reader.tally("route", "verdict")
    return {group["route"]: group["samples"] for group in groups if group["verdict"] == "accepted"}
