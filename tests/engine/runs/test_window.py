import asyncio
from dataclasses import replace

import pytest
from factories import make_record

from routenator.engine.errors import AuthError, RunError, WrongModelError
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.runs.window import DRAIN_S, MAX_FAILURES_IN_A_ROW, FailureWatch, Window
from routenator.engine.sample import SampleKey

ROWS = 100


@pytest.fixture
def run_dir(tmp_path):
    with RunDirectory.create_or_open(tmp_path / "run", identity={}, planned_rows=ROWS) as run:
        yield run.path


def record_of(key, verdict="accepted", route="text", error_class=None):
    record = make_record(key.slot, verdict=verdict)
    stratum = replace(record.stratum, route=route)
    return replace(record, key=key, stratum=stratum, error_class=error_class, error=error_class and "it is gone")


async def run(run_dir, sample, use=lambda window: None, max_in_flight=8, drain_s=DRAIN_S):
    """Run all slots; ``use`` is given the window before it begins."""
    watch = FailureWatch()
    async with LedgerWriter(run_dir, on_failure=lambda failure: None) as writer:
        window = Window(lambda key, recorder: sample(key), writer.put, max_in_flight, drain_s)
        use(window)
        await window.run((SampleKey(slot) for slot in range(ROWS)), watch.see)
        assert not window.begun
        await writer.flush()
    return window


def committed(run_dir):
    with LedgerReader(run_dir) as reader:
        return reader.counts()


async def test_every_sample_runs_once_and_no_more_than_allowed_at_a_time(run_dir):
    running, most, seen = 0, 0, []

    async def sample(key):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (key.slot % 3))
        running -= 1
        seen.append(key.slot)
        return record_of(key)

    await run(run_dir, sample, max_in_flight=5)
    assert sorted(seen) == list(range(ROWS))
    assert most == 5
    assert committed(run_dir).accepted == ROWS


async def test_stopping_takes_nothing_new_and_commits_what_is_in_flight(run_dir):
    windows, begun = [], []

    async def sample(key):
        begun.append(key)
        if len(begun) == 20:
            windows[0].stop()
        await asyncio.sleep(0.005)
        return record_of(key)

    await run(run_dir, sample, windows.append)
    assert 20 <= len(begun) <= 27
    assert committed(run_dir).accepted == len(begun)


@pytest.mark.parametrize("error", [AuthError("no", status=401), WrongModelError("another", status=404)])
async def test_a_refusing_endpoint_ends_the_window_and_keeps_what_had_ended(run_dir, error):
    async def sample(key):
        await asyncio.sleep(0.001 if key.slot < 30 else 0.05)
        if key.slot == 30:
            raise error
        return record_of(key)

    with pytest.raises(type(error)):
        await run(run_dir, sample)
    counts = committed(run_dir)
    assert counts.accepted >= 30
    assert counts.failed == counts.rejected == 0


async def test_a_dead_endpoint_does_not_hide_behind_a_route_that_needs_none(run_dir):
    async def sample(key):
        await asyncio.sleep(0)
        if key.slot % 2:
            return record_of(key, route="heuristic")
        return record_of(key, "failed", error_class="endpoint")

    with pytest.raises(RunError, match="25 text samples failed one after another, the last with: it is gone"):
        await run(run_dir, sample)
    assert MAX_FAILURES_IN_A_ROW <= committed(run_dir).failed <= MAX_FAILURES_IN_A_ROW + 8


async def test_a_fault_of_ours_in_every_sample_stops_the_run_and_asks_for_a_report(run_dir):
    async def sample(key):
        return record_of(key, "failed", error_class="internal")

    with pytest.raises(RunError, match="25 text samples failed") as caught:
        await run(run_dir, sample)
    assert "report it" in caught.value.hint


async def test_failures_that_are_not_the_endpoints_do_not_stop_a_run(run_dir):
    async def sample(key):
        return record_of(key, "failed", error_class="image")

    await run(run_dir, sample)
    assert committed(run_dir).failed == ROWS


async def test_cancelling_gives_up_what_is_in_flight_and_commits_the_rest(run_dir):
    async def sample(key):
        if key.slot >= 10:
            await asyncio.sleep(60)
        return record_of(key)

    task = asyncio.create_task(run(run_dir, sample))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert committed(run_dir).accepted == 10


@pytest.mark.fault(39)
async def test_a_dead_writer_ends_the_window_while_every_sample_hangs(run_dir):
    hanging = asyncio.Event()

    async def sample(key, recorder):
        hanging.set()
        await asyncio.sleep(3600)

    window = Window(sample, lambda record: writer.put(record), 8)
    async with LedgerWriter(run_dir, on_failure=window.fail) as writer:
        at_work = asyncio.create_task(window.run((SampleKey(slot) for slot in range(ROWS)), FailureWatch().see))
        await hanging.wait()
        with pytest.raises(RunError):
            await writer.set_meta(broken=object())  # nothing that JSON can hold: the writer's thread ends
        with pytest.raises(RunError, match="writer failed"):
            await asyncio.wait_for(at_work, timeout=1)
    assert committed(run_dir).accepted == 0


async def test_a_paused_window_begins_nothing_and_lets_what_is_in_flight_end(run_dir):
    ended, ten = [], asyncio.Event()

    async def sample(key):
        await asyncio.sleep(0.002)
        ended.append(key)
        if len(ended) == 10:
            ten.set()
        return record_of(key)

    async with LedgerWriter(run_dir, on_failure=lambda failure: None) as writer:
        window = Window(lambda key, recorder: sample(key), writer.put, 4)
        at_work = asyncio.create_task(window.run((SampleKey(slot) for slot in range(ROWS)), lambda record: None))
        await ten.wait()
        window.pause()
        await asyncio.sleep(0.1)
        assert not window.begun
        count = len(ended)
        await asyncio.sleep(0.05)
        assert len(ended) == count < ROWS // 2
        window.resume()
        await at_work
    assert sorted(key.slot for key in ended) == list(range(ROWS))


async def test_a_window_grows_and_shrinks_while_it_is_at_work(run_dir):
    running = 0
    seen = []

    async def sample(key):
        nonlocal running
        running += 1
        seen.append(running)
        await asyncio.sleep(0.005)
        running -= 1
        if len(seen) == 30:
            window.set_max_in_flight(2)
            del seen[:]
        elif window.max_in_flight == 2 and len(seen) == 20:
            assert max(seen[8:]) <= 2
            window.set_max_in_flight(12)
        return record_of(key)

    async with LedgerWriter(run_dir, on_failure=lambda failure: None) as writer:
        window = Window(lambda key, recorder: sample(key), writer.put, 8)
        await window.run((SampleKey(slot) for slot in range(ROWS)), lambda record: None)
    assert max(seen) == 12
    assert committed(run_dir).accepted == ROWS


async def test_a_stopped_window_gives_up_what_does_not_end(run_dir):
    async def sample(key):
        if key.slot >= 10:
            windows[0].stop()
            await asyncio.sleep(3600)
        return record_of(key)

    windows = []
    await asyncio.wait_for(run(run_dir, sample, windows.append, drain_s=0.05), 20)
    assert committed(run_dir).accepted == 10


def test_a_pass_is_barren_only_when_nothing_got_through():
    watch = FailureWatch()
    watch.begin_pass()
    watch.see(record_of(SampleKey(0), "failed", error_class="endpoint"))
    assert watch.barren == "it is gone"
    watch.see(record_of(SampleKey(1), "rejected", error_class="length"))
    assert watch.barren is None
    watch.see(record_of(SampleKey(2), "failed", error_class="endpoint"))
    assert watch.barren is None
    watch.begin_pass()
    watch.see(record_of(SampleKey(0, 1), "failed", error_class="endpoint"))
    assert watch.barren == "it is gone"


async def test_a_limit_that_is_set_during_a_pause_holds_from_the_first_sample_on(run_dir):
    running, most = 0, 0

    async def sample(key):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        return record_of(key)

    async with LedgerWriter(run_dir, on_failure=lambda failure: None) as writer:
        window = Window(lambda key, recorder: sample(key), writer.put, 16)
        window.pause()
        at_work = asyncio.create_task(window.run((SampleKey(slot) for slot in range(ROWS)), lambda record: None))
        await asyncio.sleep(0.05)
        assert most == 0
        window.set_max_in_flight(3)
        window.resume()
        await at_work
    assert most == 3
    assert committed(run_dir).accepted == ROWS
