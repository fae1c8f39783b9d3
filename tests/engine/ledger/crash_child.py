"""Works off a run's open slots until it is killed or done; notes every sample that it was told is committed.

Run as ``python crash_child.py RUN_DIRECTORY ROWS ACKNOWLEDGED_FILE SEED LEDGERS``.
"""

import asyncio
import os
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from factories import make_record

from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.sample import SampleKey

MAX_ROUNDS = 3
TEMPLATES = {verdict: make_record(0, verdict=verdict) for verdict in ("accepted", "rejected", "failed")}


def verdict_of(key: SampleKey) -> str:
    """How the script lets this sample end; the last round is always accepted."""
    if key.round == MAX_ROUNDS:
        return "accepted"
    return random.Random(f"{key.slot}/{key.round}").choices(("accepted", "rejected", "failed"), (8, 1, 1))[0]


async def work(path: Path, acknowledged: int, rng: random.Random) -> None:
    """Finish every open slot, pass after pass."""

    async with AsyncExitStack() as stack:
        with LedgerReader(path) as reader:
            layout = reader.layout
        writers = [
            await stack.enter_async_context(LedgerWriter(path, lambda failure: os._exit(9), ledger))
            for ledger in range(layout.ledgers)
        ]

        async def write_some(keys: list[SampleKey]) -> None:
            for key in keys:
                writer = writers[layout.ledger_of(key.slot)]
                future = await writer.put(replace(TEMPLATES[verdict_of(key)], key=key))
                future.add_done_callback(lambda done, key=key: os.write(acknowledged, f"{key.trace_id}\n".encode()))
            for writer in writers:
                await writer.flush()

        while True:
            with LedgerReader(path) as reader:
                some: list[SampleKey] = []
                began = False
                for key in reader.open_slots(MAX_ROUNDS):
                    began = True
                    some.append(key)
                    if rng.random() < 0.05:
                        await write_some(some)
                        some = []
                await write_some(some)
            if not began:
                return


if __name__ == "__main__":
    directory, rows, acknowledged_file, seed, ledgers = sys.argv[1:]
    with RunDirectory.create_or_open(
        Path(directory), identity={"rows": rows}, planned_rows=int(rows), ledgers=int(ledgers)
    ) as run:
        print("started", flush=True)
        descriptor = os.open(acknowledged_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        asyncio.run(work(run.path, descriptor, random.Random(seed)))
