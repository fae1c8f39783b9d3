"""Fill the slots: workers run the open ones, duplicates of the whole run are rejected, refill, until it is enough."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from routenator.engine.config import Recipe
from routenator.engine.datasets.near_duplicates import find_duplicates
from routenator.engine.errors import RunError
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.writer import Duplicate
from routenator.engine.runs.abandoning import do_unless, in_daemon_thread
from routenator.engine.runs.control import MAX_IN_FLIGHT
from routenator.engine.runs.progress import RateMeter
from routenator.engine.runs.states import RunState, WorkerState
from routenator.engine.runs.worker import PassResult, Worker, ledgers_of, owned, share_of
from routenator.engine.sample import SampleKey

_LOOK_EVERY_S = 0.2


class Coordinator:
    """One run, over all its workers; controlled from the terminal and by the control socket.

    Args:
        run_dir: The run's directory, whose lock is held.
        recipe: The run's.
        layout: How its slots are dealt to ledgers.
        workers: In the order of their numbers.
        targets: Route → planned rows.
        max_in_flight: Samples at once over all workers.
        possible_in_flight: As many as may ever be asked for: what the limit of open files allows.
    """

    def __init__(
        self,
        run_dir: Path,
        recipe: Recipe,
        layout: Layout,
        workers: Sequence[Worker],
        *,
        targets: Mapping[str, int],
        max_in_flight: int,
        possible_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._stopped = asyncio.Event()
        self._run_dir = run_dir
        self._recipe = recipe
        self._layout = layout
        self._workers = tuple(workers)
        self._targets = dict(targets)
        self._enough = recipe.enough
        self._max_in_flight = max_in_flight
        self._possible_in_flight = possible_in_flight
        self._is_paused = False
        self._phase = "generate"
        self._meter = RateMeter()

    async def fill(self) -> str | None:
        """Run passes over the open slots until enough rows are there, the rounds are used up, or the run is stopped.

        A pass runs each open slot, and a slot whose sample was rejected again at once in its next round; once the run
        has the rows that are enough, only slots that never ran. Then exact and near duplicates of the whole run are
        rejected and their slots are open again. A pass in which every sample failed (`FailureWatch`) is the last one:
        the next would use up the slots' rounds for nothing.

        Returns:
            Why slots with rounds left were given up, or ``None``.

        Raises:
            RunError, AuthError, WrongModelError: A worker cannot go on; the others are stopped.
        """
        with LedgerReader(self._run_dir) as reader:
            while True:
                self._phase = "generate"
                results = await self._run_pass(refills=reader.counts().accepted < self._enough)
                if not self.is_stopping:
                    self._phase = "dedup"
                    # Duplicates of a large run take minutes to find: whoever goes on with a stopped one finds them.
                    await do_unless(self._stopped, self._reject_duplicates())
                if self.is_stopping:
                    return None
                if reader.counts().accepted >= self._enough:
                    return None
                if next(reader.open_slots(self._recipe.max_rounds), None) is None:
                    return None
                if (barren := _why_barren(results)) is not None:
                    return barren

    @property
    def is_stopping(self) -> bool:
        """Whether it was stopped: what `fill` left may hold duplicates."""
        return self._stopped.is_set()

    def state(self) -> RunState:
        """How the run does now."""
        workers = tuple(worker.state() for worker in self._workers)
        delivered = _sum(workers, lambda worker: worker.accepted)
        self._meter.see(delivered)
        return RunState(
            phase="stopping" if self.is_stopping else self._phase,
            planned=sum(self._targets.values()),
            targets=self._targets,
            delivered=dict(delivered),
            rejected=dict(_sum(workers, lambda worker: worker.rejected)),
            failed=dict(_sum(workers, lambda worker: worker.failed)),
            rate_s=self._meter.rate_s(),
            eta_s=self._meter.eta_s({route: rows - delivered[route] for route, rows in self._targets.items()}),
            max_in_flight=self._max_in_flight,
            paused=self._is_paused,
            workers=workers,
        )

    def pause(self) -> None:
        """Begin no more samples; those in flight end.

        Raises:
            RunError: The run is stopping.
        """
        self._refuse_if_stopping()
        self._is_paused = True
        for worker in self._workers:
            worker.pause()

    def resume(self) -> None:
        """Begin samples again.

        Raises:
            RunError: The run is stopping.
        """
        self._refuse_if_stopping()
        self._is_paused = False
        self._meter = RateMeter()  # the pause is no measure of the speed
        for worker in self._workers:
            worker.resume()

    def stop(self) -> None:
        """Begin nothing more; `fill` returns when what is in flight has ended or was given up."""
        self._stopped.set()
        self._is_paused = False
        for worker in self._workers:
            worker.stop()

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """Change how many samples may be in flight: at least one a worker, at most as the open files allow.

        Raises:
            RunError: The run is stopping.
        """
        self._refuse_if_stopping()
        max_in_flight = max(len(self._workers), min(max_in_flight, self._possible_in_flight))
        self._max_in_flight = max_in_flight
        for number, worker in enumerate(self._workers):
            worker.set_max_in_flight(share_of(max_in_flight, number, len(self._workers)))

    def _refuse_if_stopping(self) -> None:
        if self.is_stopping:
            raise RunError("it is stopping; give its command again to go on")

    async def _run_pass(self, *, refills: bool) -> list[PassResult]:
        """A pass over all workers; the first failure cancels the others."""
        watch = asyncio.create_task(self._watch_for_enough())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(worker.run_pass(refills=refills)) for worker in self._workers]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            watch.cancel()
        return [task.result() for task in tasks]

    async def _watch_for_enough(self) -> None:
        """Tell the workers when the run has enough: none of them knows what the others have."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            workers = [worker.state() for worker in self._workers]
            if _sum(workers, lambda worker: worker.accepted).total() >= self._enough:
                for worker in self._workers:
                    worker.stop_refilling()

    async def _reject_duplicates(self) -> None:
        """Reject all accepted rows but the first of each group of exact or near duplicates."""
        find = partial(_find_duplicates, self._run_dir, self._recipe.dedup.near_threshold)
        found = await in_daemon_thread(find)
        if not found:
            return
        for number, worker in enumerate(self._workers):
            ledgers = ledgers_of(number, len(self._workers), self._layout)
            if own := owned(found, self._layout, ledgers):
                await worker.mark_duplicates(own)


def _why_barren(results: Sequence[PassResult]) -> str | None:
    """Why no sample of the pass got past its endpoint, or ``None`` if one did or there was none."""
    reasons = [result.barren for result in results if result.samples]
    return reasons[-1] if reasons and None not in reasons else None


def _sum(workers: Sequence[WorkerState], counts: Callable[[WorkerState], Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for worker in workers:
        total.update(counts(worker))
    return total


def _find_duplicates(run_dir: Path, near_threshold: float) -> list[Duplicate]:
    """Rows that repeat another."""
    with LedgerReader(run_dir) as reader:
        rows = reader.accepted_columns("slot", "round", "query")
        keyed = ((SampleKey(slot, round), query) for slot, round, query in rows)
        return [Duplicate(item.key, item.duplicate_of, item.kind) for item in find_duplicates(keyed, near_threshold)]
