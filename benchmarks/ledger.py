"""What the ledger costs: CPU and bytes a sample, and how fast a large run is read back.

python benchmarks/ledger.py [SAMPLES]
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.ledger.rows import build_row
from routenator.engine.ledger.trace_codec import TraceEncoder, train_dictionary
from routenator.engine.sample import SampleKey, SampleRecord

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from factories import make_record


def time_encoding(records: list[SampleRecord]) -> dict[str, float]:
    """CPU of the steps in microseconds a sample, alone on their thread."""
    encoder = TraceEncoder({}.get, 1)
    encoder.use_dictionary(1, train_dictionary([encoder.encode(record) for record in records[:300]]))
    steps = {}
    began = time.process_time()
    encoded = [encoder.encode(record) for record in records]
    steps["encode_us"] = time.process_time() - began
    began = time.process_time()
    blobs = [encoder.compress(data) for data in encoded]
    steps["compress_us"] = time.process_time() - began
    began = time.process_time()
    for record in records:
        build_row(record, 0.0)
    steps["row_us"] = time.process_time() - began
    return {name: round(spent_s / len(records) * 1e6, 1) for name, spent_s in steps.items()} | {
        "trace_json_bytes": round(sum(map(len, encoded)) / len(records)),
        "trace_bytes": round(sum(map(len, blobs)) / len(records)),
    }


async def time_writing(path: Path, records: list[SampleRecord]) -> dict[str, float]:
    """CPU and wall time of writing all of it, event loop included."""
    failures: list[BaseException] = []
    async with LedgerWriter(path, failures.append) as writer:
        for record in records[:1_000]:
            await writer.put(record)
        await writer.flush()  # the dictionary is trained by now
        cpu, wall = time.process_time(), time.perf_counter()
        for record in records[1_000:]:
            await writer.put(record)
        await writer.flush()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert not failures
    count = len(records) - 1_000
    return {"put_cpu_us": round(cpu / count * 1e6, 1), "put_wall_us": round(wall / count * 1e6, 1)}


def time_reading(path: Path, slots: int) -> dict[str, float]:
    """Seconds that a reader takes."""
    with LedgerReader(path) as reader:
        figures = {}
        for name, read in {
            "counts_s": reader.counts,
            "first_open_slot_s": lambda: next(reader.open_slots(4), None),
            "tally_s": lambda: reader.tally("route", "verdict"),
            "accepted_rows_s": lambda: sum(1 for _ in reader.accepted_rows()),
            "traces_s": lambda: [reader.trace(SampleKey(slot)) for slot in range(0, slots, 10)],
        }.items():
            began = time.perf_counter()
            read()
            figures[name] = round(time.perf_counter() - began, 3)
    return figures


def main() -> None:
    """Print one JSON object."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    records = [make_record(slot, verdict="rejected" if slot % 4 == 3 else "accepted") for slot in range(samples)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run"
        RunDirectory.create_or_open(path, identity={}, planned_rows=samples).close()
        figures = {"samples": samples, **time_encoding(records), **asyncio.run(time_writing(path, records))}
        with closing(sqlite3.connect(path / "run.db")) as connection:
            (traces,) = connection.execute("SELECT sum(length(blob)) FROM trace").fetchone()
            (texts,) = connection.execute("SELECT total(length(body)) FROM text").fetchone()
        figures["trace_and_text_bytes_stored"] = round((traces + texts) / samples)
        figures["database_bytes"] = round((path / "run.db").stat().st_size / samples)
        print(json.dumps(figures | time_reading(path, samples), indent=2))


if __name__ == "__main__":
    main()
