"""Fill every slot: run the open ones, reject duplicates over the whole run, refill, until the target or the budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from routenator.engine.config import Recipe
from routenator.engine.datasets.near_duplicates import find_duplicates
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.writer import Duplicate, LedgerWriter
from routenator.engine.runs.ordering import PrefixOf, group_prefixes
from routenator.engine.runs.tally import Tally
from routenator.engine.runs.window import FailureWatch, RunSample, StopSwitch, run_window
from routenator.engine.sample import SampleKey


async def fill_slots(
    run_dir: Path,
    recipe: Recipe,
    run_sample: RunSample,
    prefix_of: PrefixOf,
    writer: LedgerWriter,
    tally: Tally,
    stop: StopSwitch,
) -> str | None:
    """Run passes over the open slots until none is left, the rounds are used up, or ``stop`` is set.

    A pass runs each open slot once, in its next round; then exact and near duplicates of the whole run are rejected
    and their slots are open again. A pass in which every sample failed at its endpoint is the last one: the next would
    use up the slots' rounds for nothing.

    Returns:
        Why slots with rounds left were given up, or ``None``.

    Raises:
        RunError, AuthError: See `run_window`.
    """
    watch = FailureWatch()
    with LedgerReader(run_dir) as reader:
        while not stop.is_set:
            tally.phase = "generate"
            slots = group_prefixes(reader.open_slots(recipe.max_rounds), prefix_of)
            await run_window(slots, run_sample, writer, tally, recipe.max_in_flight, stop, watch)
            tally.phase = "dedup"
            await reject_duplicates(run_dir, recipe.dedup.near_threshold, writer, tally)
            if next(reader.open_slots(recipe.max_rounds), None) is None:
                return None
            if watch.barren is not None:
                return watch.barren
    return None


async def reject_duplicates(run_dir: Path, near_threshold: float, writer: LedgerWriter, tally: Tally) -> int:
    """Reject all accepted rows but the first of each group of exact or near duplicates; how many."""
    found, routes = await asyncio.to_thread(_find, run_dir, near_threshold)
    if found:
        await writer.mark_duplicates(found)
        tally.take_back(routes)
    return len(found)


def _find(run_dir: Path, near_threshold: float) -> tuple[list[Duplicate], Counter[str]]:
    routes: dict[SampleKey, str] = {}

    with LedgerReader(run_dir) as reader:
        rows = []
        for row in reader.accepted_rows():
            key = SampleKey(row["slot"], row["round"])
            routes[key] = row["route"]
            rows.append((key, row["query"]))
    found = find_duplicates(rows, near_threshold)
    return (
        [Duplicate(item.key, item.duplicate_of, item.kind) for item in found],
        Counter(routes[item.key] for item in found),
    )
