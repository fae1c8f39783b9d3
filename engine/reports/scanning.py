"""Read a run for its report: a small one here, a large one by a process for each core."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.reports.scan import SCANNED_COLUMNS, Scan, Yardstick

SLOTS_A_PART = 10_000
MIN_SLOTS_FOR_PROCESSES = 100_000
"""A run of fewer slots is read before other processes have started."""
MAX_PROCESSES = 8


def scan_run(reader: LedgerReader, yardstick: Yardstick, processes: int | None = None) -> Scan:
    """Count all samples of a run.

    Args:
        reader: The run; it may still be going on.
        yardstick: What its queries are measured by.
        processes: Processes that read; ``None``: this one for a small run, one for each core for a large one.
    """
    planned = reader.planned_rows()
    if processes is None:
        cores = len(os.sched_getaffinity(0))
        processes = min(MAX_PROCESSES, cores) if planned >= MIN_SLOTS_FOR_PROCESSES else 1
    parts = [(start, min(start + SLOTS_A_PART, planned)) for start in range(0, planned, SLOTS_A_PART)]
    scan = Scan()
    for part in _scan_parts(reader, parts, yardstick, processes):
        scan.merge(part)
    return scan


def _scan_parts(
    reader: LedgerReader, parts: list[tuple[int, int]], yardstick: Yardstick, processes: int
) -> Iterator[Scan]:
    if processes == 1:
        for part in parts:
            yield _scan_part(reader, part, yardstick)
        return
    # A forked child would inherit locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as executor:
        yield from executor.map(partial(_open_and_scan, reader.path, yardstick), parts, chunksize=4)


def _open_and_scan(path: Path, yardstick: Yardstick, part: tuple[int, int]) -> Scan:
    with LedgerReader(path) as reader:
        return _scan_part(reader, part, yardstick)


def _scan_part(reader: LedgerReader, part: tuple[int, int], yardstick: Yardstick) -> Scan:
    scan = Scan()
    for ledger in range(reader.layout.ledgers):
        scan.add(reader.scan_rows(ledger, *part, SCANNED_COLUMNS), yardstick)
    return scan
