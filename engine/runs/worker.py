"""A worker: runs the open slots of the ledgers that it owns.

This is the seam between a run's coordinator and whatever runs its samples. `Worker` is all that the coordinator knows:
a worker in its own process (`LocalWorker`), in a process of its own (`routenator.engine.runs.worker_process`), or, some
day, an actor of a cluster. A worker owns ledgers, each of which has its blocks of slots and its database
(`routenator.engine.ledger.layout`); nothing is shared with another worker but the endpoints.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

from routenator.engine.config import Recipe
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.writer import Duplicate, LedgerWriter
from routenator.engine.llm.states import EndpointState
from routenator.engine.routing.plan import Plan
from routenator.engine.runs.abandoning import do_unless
from routenator.engine.runs.ordering import PrefixOf, group_prefixes
from routenator.engine.runs.refilling import RefilledKeys
from routenator.engine.runs.states import LongSample, WorkerState
from routenator.engine.runs.window import FailureWatch, RunSample, Window
from routenator.engine.sample import SampleKey, SampleRecord
from routenator.engine.traces.recording import SpanRecorder

OLDEST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass over the open slots brought.

    Attributes:
        samples: Samples that ended in it.
        barren: What the last of them failed with, if every one failed at its endpoint or by a fault of ours.
    """

    samples: int
    barren: str | None


class Worker(Protocol):
    """What a coordinator may ask of a worker. Everything but the passes takes effect at once and waits for nothing."""

    async def run_pass(self, *, refills: bool) -> PassResult:
        """Run every open slot of the worker's ledgers and commit each sample; less than that once it is stopped.

        A slot whose sample is rejected runs again at once, in its next round.

        Args:
            refills: Whether slots that have run before are run at all, until `stop_refilling`.

        Raises:
            RunError, AuthError, WrongModelError: The run cannot go on.
        """
        ...

    async def mark_duplicates(self, duplicates: Sequence[Duplicate]) -> None:
        """Reject accepted samples of the worker's ledgers."""
        ...

    def state(self) -> WorkerState:
        """How the worker is doing."""
        ...

    def stop_refilling(self) -> None:
        """For the rest of the pass, run only slots that never ran: the run has enough rows."""
        ...

    def pause(self) -> None:
        """Begin nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Begin samples again."""
        ...

    def stop(self) -> None:
        """Begin nothing more; what is in flight ends, or is given up after a while."""
        ...

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """Change the worker's share of the samples in flight."""
        ...

    async def close(self) -> None:
        """Commit what has ended, give up what has not, and let go of the ledgers."""
        ...


def ledgers_of(number: int, workers: int, layout: Layout) -> tuple[int, ...]:
    """The ledgers that worker ``number`` of ``workers`` owns."""
    return tuple(range(number, layout.ledgers, workers))


def share_of(total: int, number: int, workers: int) -> int:
    """The share of worker ``number`` of ``workers`` in a limit: all of them are ``total``, but each is at least 1."""
    return max(1, total // workers + (number < total % workers))


@dataclass(frozen=True)
class Runner:
    """What runs samples in a worker.

    Attributes:
        run_sample: Takes one sample through the graph.
        prefix_of: Names the beginning of a sample's prompt.
        plan: The run's.
        endpoint_states: How the endpoints do, as this worker sees them.
    """

    run_sample: RunSample
    prefix_of: PrefixOf
    plan: Plan
    endpoint_states: Callable[[], tuple[EndpointState, ...]]


class LocalWorker:
    """A `Worker` in this process. An asynchronous context manager, under the run's lock.

    Args:
        run_dir: The run's directory.
        layout: How its slots are dealt to ledgers.
        recipe: The run's.
        runner: Runs the samples.
        number: 0 to ``workers`` - 1.
        workers: Workers of the run, this one included.
        max_in_flight: Samples at once over all workers.
    """

    def __init__(
        self,
        run_dir: Path,
        layout: Layout,
        recipe: Recipe,
        runner: Runner,
        *,
        number: int = 0,
        workers: int = 1,
        max_in_flight: int,
    ) -> None:
        self.ledgers = ledgers_of(number, workers, layout)
        self._run_dir = run_dir
        self._layout = layout
        self._recipe = recipe
        self._runner = runner
        self.number = number
        self._watch = FailureWatch()
        self._window = Window(runner.run_sample, self._put, share_of(max_in_flight, number, workers))
        self._keys: RefilledKeys | None = None
        self._writers: dict[int, LedgerWriter] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for ledger in self.ledgers:
            writer = LedgerWriter(self._run_dir, self._window.fail, ledger, traces=self._recipe.traces)
            self._writers[ledger] = await self._stack.enter_async_context(writer)
        self._count()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Commit what has ended and close the ledgers."""
        await self._stack.aclose()

    async def run_pass(self, *, refills: bool) -> PassResult:
        """See `Worker.run_pass`."""
        self._watch.begin_pass()
        with LedgerReader(self._run_dir) as reader:
            max_rounds = self._recipe.max_rounds
            slots = group_prefixes(reader.open_slots(max_rounds, self.ledgers), self._runner.prefix_of)
            keys = self._keys = RefilledKeys(slots, max_rounds, refills=refills)

            def see(record: SampleRecord) -> None:
                keys.see(record)
                self._see(record)

            await self._window.run(keys, see)
        # On a full disk they wait for room, but not beyond the time that a run has to stop.
        await do_unless(self._window.drained, self._flush())
        return PassResult(self._watch.samples, self._watch.barren)

    async def mark_duplicates(self, duplicates: Sequence[Duplicate]) -> None:
        """See `Worker.mark_duplicates`."""
        for ledger, found in group_by_ledger(duplicates, self._layout).items():
            await self._writers[ledger].mark_duplicates(found)
        self._count()

    def state(self) -> WorkerState:
        """See `Worker.state`."""
        begun = self._window.begun
        return WorkerState(
            number=self.number,
            pid=os.getpid(),
            accepted=dict(self._counts["accepted"]),
            rejected=dict(self._counts["rejected"]),
            failed=dict(self._counts["failed"]),
            in_flight=len(begun),
            max_in_flight=self._window.max_in_flight,
            oldest=tuple(self._describe(key, recorder) for key, recorder in islice(begun.items(), OLDEST_SHOWN)),
            endpoints=self._runner.endpoint_states(),
            stuck=next((writer.trouble for writer in self._writers.values() if writer.trouble), None),
        )

    def stop_refilling(self) -> None:
        """See `Worker.stop_refilling`."""
        if self._keys is not None:
            self._keys.refills = False

    def pause(self) -> None:
        """See `Worker.pause`."""
        self._window.pause()

    def resume(self) -> None:
        """See `Worker.resume`."""
        self._window.resume()

    def stop(self) -> None:
        """See `Worker.stop`."""
        self._window.stop()

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """See `Worker.set_max_in_flight`."""
        self._window.set_max_in_flight(max_in_flight)

    def _count(self) -> None:
        """Count what stands in the worker's ledgers, whichever process wrote it."""
        self._counts = {"accepted": Counter(), "rejected": Counter(), "failed": Counter()}
        with LedgerReader(self._run_dir) as reader:
            for group in reader.tally("verdict", "route", ledgers=self.ledgers):
                self._counts[group["verdict"]][group["route"]] += group["samples"]

    async def _flush(self) -> None:
        await asyncio.gather(*(writer.flush() for writer in self._writers.values()))

    async def _put(self, record: SampleRecord) -> Any:
        return await self._writers[self._layout.ledger_of(record.key.slot)].put(record)

    def _see(self, record: SampleRecord) -> None:
        self._counts[record.verdict][record.stratum.route] += 1
        self._watch.see(record)

    def _describe(self, key: SampleKey, recorder: SpanRecorder) -> LongSample:
        node, attempt = recorder.at_work
        route = self._runner.plan.stratum(key.slot).route
        return LongSample(key.trace_id, route, node, attempt, round(recorder.elapsed_ms() / 1000, 3))


def group_by_ledger(duplicates: Iterable[Duplicate], layout: Layout) -> dict[int, list[Duplicate]]:
    """Ledger → the duplicates that are in it."""
    groups: dict[int, list[Duplicate]] = {}
    for duplicate in duplicates:
        groups.setdefault(layout.ledger_of(duplicate.key.slot), []).append(duplicate)
    return groups


def owned(duplicates: Iterable[Duplicate], layout: Layout, ledgers: Collection[int]) -> list[Duplicate]:
    """The duplicates that are in ``ledgers``."""
    return [duplicate for duplicate in duplicates if layout.ledger_of(duplicate.key.slot) in ledgers]
