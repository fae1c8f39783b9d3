import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from factories import make_record

from routenator.engine.errors import RunError
from routenator.engine.ledger import Duplicate, LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.ledger.writer import MAX_UNCOMMITTED
from routenator.engine.sample import Candidate, SampleKey

ON_A_FULL_DISK = """
import asyncio, json, resource, sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from factories import make_record
from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerWriter
from routenator.engine.sample import SampleKey

async def main():
    failures, waiting, refused = [], [], False
    writer = LedgerWriter(Path(sys.argv[1]), failures.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))  # a write past it fails as on a full disk
    record = make_record(0)
    try:
        for slot in range(20_000):
            waiting.append((slot, await writer.put(replace(record, key=SampleKey(slot)))))
        await writer.flush()
    except RunError:
        refused = True
    await writer.close()
    claimed = [slot for slot, future in waiting if future.exception() is None]
    print(json.dumps({"failures": [str(f) for f in failures], "claimed": claimed, "refused": refused}))

asyncio.run(main())
"""


@pytest.fixture
def run(tmp_path):
    with RunDirectory.create_or_open(tmp_path / "run", identity={"seed": 1}, planned_rows=1_000) as directory:
        yield directory.path


def unexpected(failure):
    raise AssertionError(failure)


async def write(path, records):
    async with LedgerWriter(path, unexpected) as writer:
        return [await future for future in [await writer.put(record) for record in records]]


async def test_a_put_sample_is_there_when_its_future_is_done(run):
    async with LedgerWriter(run, unexpected) as writer:
        committed = await writer.put(make_record(3))
        assert await committed is True
        with LedgerReader(run) as reader:
            assert reader.trace(SampleKey(3))["candidate"] == json.loads(orjson.dumps(make_record(3).candidate))


async def test_a_lone_sample_is_committed_without_company(run):
    async with LedgerWriter(run, unexpected) as writer:
        began = time.monotonic()
        await (await writer.put(make_record(0)))
        assert time.monotonic() - began < 5


async def test_flush_commits_without_waiting_for_the_batch(run):
    async with LedgerWriter(run, unexpected) as writer:
        futures = [await writer.put(make_record(slot)) for slot in range(10)]
        await writer.flush()
        assert all(future.done() for future in futures)


async def test_close_commits_what_is_waiting(run):
    writer = LedgerWriter(run, unexpected)
    for slot in range(700):
        await writer.put(make_record(slot))
    await writer.close()
    await writer.close()
    with LedgerReader(run) as reader:
        assert reader.counts().accepted == 700
    with pytest.raises(RunError, match="closed"):
        await writer.put(make_record(0))
    with pytest.raises(RunError, match="closed"):
        await writer.flush()


@pytest.mark.fault(22)
async def test_the_first_commit_of_a_key_wins(run):
    first, late = make_record(5, seed=1), make_record(5, verdict="rejected", seed=2)
    assert await write(run, [first, late]) == [True, False]
    assert await write(run, [late]) == [False]
    with LedgerReader(run) as reader:
        assert reader.count_samples() == 1
        assert reader.trace(SampleKey(5))["verdict"] == "accepted"
        assert reader.trace(SampleKey(5))["started_at"] == first.started_at


async def test_the_whole_record_comes_back_with_its_prompts(run):
    records = [make_record(slot, verdict=("accepted", "rejected", "failed")[slot % 3]) for slot in range(400)]
    await write(run, records[:330])
    await write(run, records[330:])  # a continued run reads its dictionary and its texts from the file
    with LedgerReader(run) as reader:
        for record in records:
            trace = reader.trace(record.key)
            assert trace.pop("duplicate_of") is None
            assert trace.pop("trace_id") == record.key.trace_id
            assert trace == json.loads(orjson.dumps(record))


@pytest.mark.parametrize(
    "text", ["nul \x00 inside", "lone \ud800 half", "\ud83d" + "\ude00", "\x1b]52;c;x\x07", "\u202e"]
)
async def test_odd_text_is_stored_as_it_is(run, text):
    record = make_record(1, attempts=1)
    attempt = replace(record.attempts[0], error=text, candidate=Candidate(text, {"prompt": text}))
    record = replace(record, candidate=Candidate(text, {"prompt": text}), error=text, attempts=(attempt,))
    await write(run, [record])
    with LedgerReader(run) as reader:
        row, trace = reader.samples()[0], reader.trace(SampleKey(1))
    assert row["query"] == text
    assert row["arguments"] == {"prompt": text}
    assert row["error"] == text
    assert trace["attempts"][0]["error"] == text
    assert trace["candidate"] == {"query": text, "arguments": {"prompt": text}}


async def test_puts_wait_while_too_many_samples_are_uncommitted(run):
    async with LedgerWriter(run, unexpected) as writer:
        futures = []
        record = make_record(0)
        for slot in range(3 * MAX_UNCOMMITTED):
            futures.append(await writer.put(replace(record, key=SampleKey(slot))))
            assert sum(not future.done() for future in futures[-2 * MAX_UNCOMMITTED :]) <= MAX_UNCOMMITTED


async def test_duplicates_become_rejected_and_their_slots_open(run):
    await write(run, [make_record(slot) for slot in range(6)])
    async with LedgerWriter(run, unexpected) as writer:
        marked = [Duplicate(SampleKey(2), "0.0", "exact"), Duplicate(SampleKey(4), "1.0", "near")]
        assert await writer.mark_duplicates(marked) == 2
        assert await writer.mark_duplicates(marked) == 0
        assert await writer.mark_duplicates([]) == 0
    with LedgerReader(run) as reader:
        assert [row["slot"] for row in reader.accepted_rows()] == [0, 1, 3, 5]
        assert reader.trace(SampleKey(2))["error_class"] == "duplicate"
        assert reader.trace(SampleKey(2))["duplicate_of"] == "0.0"
        assert reader.trace(SampleKey(2))["verdict"] == "rejected"
        assert reader.trace(SampleKey(4))["error_class"] == "near_duplicate"
        keys = reader.open_slots(4)
        assert [next(keys), next(keys)] == [SampleKey(2, 1), SampleKey(4, 1)]


async def test_meta_is_kept_and_replaced(run):
    async with LedgerWriter(run, unexpected) as writer:
        await writer.set_meta(calibration={"accuracy": 0.5})
        await writer.set_meta(calibration={"accuracy": 0.9}, note="x")
    with LedgerReader(run) as reader:
        assert reader.meta()["calibration"] == {"accuracy": 0.9}
        assert reader.meta()["note"] == "x"


async def test_a_writer_that_cannot_go_on_tells_the_run_and_claims_nothing(run):
    (run / "run.db").unlink()
    (run / "run.db").mkdir()
    told = asyncio.get_running_loop().create_future()
    writer = LedgerWriter(run, told.set_result)
    try:
        future = await writer.put(make_record(0))
    except RunError:
        future = None
    assert isinstance(await asyncio.wait_for(told, 1), RunError)
    assert future is None or isinstance(future.exception(), RunError)
    for call in (writer.put(make_record(1)), writer.flush(), writer.mark_duplicates([])):
        with pytest.raises(RunError):
            await call
    await writer.close()


async def test_a_record_that_cannot_be_stored_fails_the_writer_and_its_batch(run):
    failures = []
    writer = LedgerWriter(run, failures.append)
    good = await writer.put(make_record(0))
    bad = await writer.put(replace(make_record(1), error=object()))
    with pytest.raises(RunError):
        await bad
    with pytest.raises(RunError):
        await good
    assert len(failures) == 1
    await writer.close()
    with LedgerReader(run) as reader:
        assert reader.count_samples() == 0


def test_a_full_disk_stops_the_writer_and_the_database_still_opens(run):
    child = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(run)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert len(told["failures"]) == 1
    assert "Check that the disk has room" in told["failures"][0]
    assert told["refused"]
    with LedgerReader(run) as reader:
        kept = {row["slot"] for row in reader.samples(limit=30_000)}
        assert kept
        assert set(told["claimed"]) <= kept
        assert all(reader.trace(SampleKey(slot)) for slot in kept)


async def test_a_reader_at_work_does_not_let_the_log_grow(run):
    record, largest = make_record(0), 0
    async with LedgerWriter(run, unexpected) as writer:
        for slot in range(6_000):
            await writer.put(replace(record, key=SampleKey(slot)))
            if slot == 500:
                await writer.flush()
                reader = LedgerReader(run)
                rows = reader.accepted_rows()
                next(rows)
            if slot > 500 and slot % 50 == 0:
                largest = max(largest, (run / "run.db-wal").stat().st_size)
        await writer.flush()
        assert next(rows)["slot"] == 1
        reader.close()
    assert 0 < largest < 16_000_000


async def test_a_held_read_transaction_does_not_block_the_writer(run):
    await write(run, [make_record(0)])
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as viewer:
        viewer.execute("BEGIN")
        assert viewer.execute("SELECT count(*) FROM sample").fetchone() == (1,)
        assert await write(run, [make_record(slot) for slot in range(1, 40)]) == [True] * 39
        assert viewer.execute("SELECT count(*) FROM sample").fetchone() == (1,)
