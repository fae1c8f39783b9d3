import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_record

from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.sample import SampleKey

MEGABYTE = 1_000_000
SAMPLES = 3_000

FAILING_WRITES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>

static int fails(const char *call) {
    const char *failing = getenv("FAILING_CALL"), *from_now_on = getenv("FAIL_WHEN");
    return failing && !strcmp(failing, call) && from_now_on && access(from_now_on, F_OK) == 0;
}
int fsync(int fd) {
    if (fails("sync")) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
    if (fails("sync")) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t place) {
    if (fails("write")) { errno = EIO; return -1; }
    return ((ssize_t (*)(int, const void *, size_t, off_t)) dlsym(RTLD_NEXT, "pwrite"))(fd, bytes, count, place);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t place) {
    if (fails("write")) { errno = EIO; return -1; }
    return ((ssize_t (*)(int, const void *, size_t, off_t)) dlsym(RTLD_NEXT, "pwrite64"))(fd, bytes, count, place);
}
"""

ON_A_BROKEN_DISK = """
import asyncio, json, sys
from dataclasses import replace
from pathlib import Path
from factories import make_record
from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerWriter
from routenator.engine.sample import SampleKey

async def main():
    failures, waiting, refused = [], [], False
    writer = LedgerWriter(Path(sys.argv[1]), failures.append)
    record = make_record(0)
    try:
        for slot in range(5_000):
            waiting.append((slot, await writer.put(replace(record, key=SampleKey(slot)))))
            if slot == 1_500:
                await writer.flush()
                Path(sys.argv[2]).touch()
        await writer.flush()
    except RunError:
        refused = True
    await writer.close()
    claimed = [slot for slot, future in waiting if future.exception() is None]
    print(json.dumps({"failures": [str(failure) for failure in failures], "claimed": claimed, "refused": refused}))

asyncio.run(main())
"""


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a thread changes it
            await asyncio.sleep(0.02)


async def fill_until_full(path):
    """A writer on a full disk, what was told to it, and the task that goes on to tell it."""
    RunDirectory.create_or_open(path, identity={}, planned_rows=SAMPLES).close()
    record, failures, told = make_record(0), [], {}
    writer = LedgerWriter(path, failures.append)

    async def produce():
        for slot in range(SAMPLES):
            told[slot] = await writer.put(replace(record, key=SampleKey(slot)))

    producing = asyncio.create_task(produce())
    await until(lambda: writer.trouble is not None or producing.done())
    assert writer.trouble == f"no room on the disk of {path}: waiting"
    return writer, failures, told, producing


def committed(told):
    return {slot for slot, future in told.items() if future.done() and future.exception() is None}


def stored(path):
    with LedgerReader(path) as reader:
        found = {row["slot"] for row in reader.samples(limit=SAMPLES)}
        assert all(reader.trace(SampleKey(slot)) for slot in found)
        return found


@pytest.mark.fault(29)
async def test_a_full_disk_pauses_intake_and_everything_goes_on_once_there_is_room(small_disk):
    path = small_disk / "run"
    writer, failures, told, producing = await fill_until_full(path)
    before = committed(told)
    await asyncio.sleep(1.5)  # it tries again meanwhile
    assert committed(told) == before == stored(path)
    assert len(told) < SAMPLES, "intake pauses"
    assert not producing.done()
    (small_disk / "ballast").unlink()
    async with asyncio.timeout(30):
        await producing
        await writer.flush()
    assert writer.trouble is None
    assert failures == []
    assert [future.result() for future in told.values()] == [True] * SAMPLES
    await writer.close()
    assert stored(path) == set(range(SAMPLES))


@pytest.mark.fault(29)
async def test_a_writer_that_waits_for_room_can_be_closed_and_claims_nothing_more(small_disk):
    path = small_disk / "run"
    writer, failures, told, producing = await fill_until_full(path)
    producing.cancel()
    async with asyncio.timeout(10):
        await writer.close()
    assert "full" in str(failures[0])
    assert all(future.done() for future in told.values())
    assert committed(told) == stored(path)
    with RunDirectory.create_or_open(path, identity={}, planned_rows=SAMPLES) as run:
        assert run.layout.ledgers == 1


@pytest.mark.fault(30)
@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_failed_write_or_fsync_stops_the_writer_and_nothing_is_claimed_that_was_not_committed(tmp_path, call):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a disk fail with")
    source, library = tmp_path / "failing.c", tmp_path / "failing.so"
    source.write_text(FAILING_WRITES)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    path, broken = tmp_path / "run", tmp_path / "broken"
    RunDirectory.create_or_open(path, identity={}, planned_rows=5_000).close()
    child = subprocess.run(
        [sys.executable, "-c", ON_A_BROKEN_DISK, str(path), str(broken)],
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "LD_PRELOAD": str(library),
            "FAILING_CALL": call,
            "FAIL_WHEN": str(broken),
        },
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert len(told["failures"]) == 1
    assert "disk I/O error" in told["failures"][0]
    assert told["refused"]
    assert len(told["claimed"]) >= 1_501
    with LedgerReader(path) as reader:
        kept = {row["slot"] for row in reader.samples(limit=5_000)}
        assert set(told["claimed"]) <= kept
        assert all(reader.trace(SampleKey(slot)) for slot in kept)


@pytest.mark.fault(39)
async def test_the_run_hears_at_once_that_its_writer_has_died_while_no_sample_ends(tmp_path):
    RunDirectory.create_or_open(tmp_path / "run", identity={}, planned_rows=5).close()
    told = asyncio.get_running_loop().create_future()
    writer = LedgerWriter(tmp_path / "run", told.set_result)
    await writer.put(replace(make_record(0), error=object()))
    assert isinstance(await asyncio.wait_for(told, 1), RunError)
    await writer.close()


@pytest.mark.fault(32)
async def test_a_viewer_that_holds_a_long_read_blocks_nobody_and_the_log_shrinks_after_it(tmp_path):
    path = tmp_path / "run"
    RunDirectory.create_or_open(path, identity={}, planned_rows=10_000).close()
    log, record, failures = path / "run.db-wal", make_record(0), []

    async def write_some(writer, slots):
        for slot in slots:
            await writer.put(replace(record, key=SampleKey(slot)))
        await writer.flush()
        return log.stat().st_size

    async with LedgerWriter(path, failures.append) as writer:
        await write_some(writer, range(1_000))
        with closing(sqlite3.connect(path / "run.db", isolation_level=None)) as viewer:
            viewer.execute("BEGIN")
            assert viewer.execute("SELECT count(*) FROM sample").fetchone() == (1_000,)
            held = await write_some(writer, range(1_000, 8_000))
            assert viewer.execute("SELECT count(*) FROM sample").fetchone() == (1_000,)
        assert held > 16 * MEGABYTE, "the log has grown past what it may keep"
        after = await write_some(writer, range(8_000, 9_000))
    assert failures == []
    assert after <= 17 * MEGABYTE
