"""Runs with several worker processes: the same rows, and nothing lost whatever is killed."""

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import finish
from fakes.writer import Writer, facts_of

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

WRITER = Writer()
TEXT_ONLY = {"route": {"text": 1.0}}
ANSWER_S = 0.05


def slowly(body):
    """The writer, at a speed at which a run can be caught in the middle."""
    if facts_of(body) is None:
        return WRITER.answer(body)
    return Reply.json({"query": WRITER.query(body)}, delay_s=ANSWER_S)


def serve(answer=WRITER.answer, **settings):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True, **settings))


def generations(fake):
    return sum(facts_of(request.body) is not None for request in list(fake.requests))


def wait_until(condition, process, limit_s=90):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def children_of(pid):
    """Processes that ``pid`` has started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def samples_of(files):
    """Trace id → query, over all ledgers, with every trace readable and the slots adding up."""
    if not (files.run_dir / "run.db").exists():
        return {}
    with LedgerReader(files.run_dir) as reader:
        rows = reader.samples(limit=1_000_000)
        counts = reader.counts()
        assert counts.planned == counts.accepted + counts.rejected + counts.failed + counts.pending
        names = [row["trace_id"] for row in rows]
        assert len(set(names)) == len(names), "a sample was committed twice"
        for row in rows:
            key = SampleKey(row["slot"], row["round"])
            assert reader.trace(key)["trace_id"] == row["trace_id"], "a row without its trace"
        accepted = [row["slot"] for row in rows if row["verdict"] == "accepted"]
        assert len(set(accepted)) == len(accepted), "a slot was delivered twice"
    return {row["trace_id"]: row["query"] for row in rows}


def dataset_of(files):
    return (files.run_dir / "dataset" / "dataset.jsonl").read_bytes()


def test_the_rows_are_the_same_whatever_the_number_of_workers(run_files):
    with serve() as fake:
        files = run_files(fake.base_url, recipe={"rows": 60})
        ended = files.run("generate", "--workers", "1")
        assert ended.code == 0, ended.err
        alone = dataset_of(files)
        assert alone.count(b"\n") == 60
        files.run_dir.rename(files.folder / "alone")
        ended = files.run("generate", "--workers", "3")
        assert ended.code == 0, ended.err
        assert (files.run_dir / "run-2.db").exists()
        assert dataset_of(files) == alone
        assert files.run("status").code == 0


def test_a_run_goes_on_with_another_number_of_workers(run_files):
    with serve(slowly) as fake:
        files = run_files(fake.base_url, recipe={"rows": 60, "max_in_flight": 4}, targets=TEXT_ONLY)
        child = files.start("generate", "--workers", "2")
        wait_until(lambda: generations(fake) >= 10, child)
        child.send_signal(signal.SIGINT)
        stopped = finish(child)
        assert stopped.code == 130, stopped.err
        known = samples_of(files)
        assert known
        more = files.run("generate", "--workers", "3")
        assert more.code == 0, more.err
        assert "begun with 2 workers" in more.err
    assert known.items() <= samples_of(files).items()
    assert len(files.rows()) == 60


def test_resume_with_any_number_of_workers_makes_the_same_rows(run_files):
    with serve(slowly) as fake:
        files = run_files(fake.base_url, recipe={"rows": 60, "max_in_flight": 4}, targets=TEXT_ONLY)
        assert files.run("generate", "--workers", "1").code == 0
        alone = dataset_of(files)
        files.run_dir.rename(files.folder / "alone")
        for workers in (1, 2):
            begun = generations(fake)
            child = files.start("generate", "--workers", "3")
            wait_until(lambda begun=begun: generations(fake) >= begun + 10, child)
            child.send_signal(signal.SIGINT)
            assert finish(child).code == 130
            resumed = files.run("resume", "--workers", str(workers))
            assert resumed.code == 0, resumed.err
            assert (f"Starting {workers} workers" in resumed.err) == (workers > 1)
            assert dataset_of(files) == alone
            files.run_dir.rename(files.folder / f"by-{workers}")


def kill_somebody(child, rng):
    """Kill -9 the whole group, the coordinator alone, or one worker; which of them."""
    workers = children_of(child.pid)
    victim = rng.choice(["group", "coordinator", "worker"])
    if victim == "group":
        os.killpg(child.pid, signal.SIGKILL)
    elif victim == "coordinator" or not workers:
        child.send_signal(signal.SIGKILL)
    else:
        os.kill(rng.choice(workers), signal.SIGKILL)
    return victim


def kill_and_finish(run_files, rows, kills, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    with serve(slowly) as fake:
        files = run_files(fake.base_url, recipe={"rows": rows, "max_rounds": 8}, targets=TEXT_ONLY)
        known = {}
        for _ in range(kills):
            child = files.start("generate", "--workers", "2", start_new_session=True)
            wanted = generations(fake) + rng.randint(1, rows // kills)
            wait_until(lambda wanted=wanted: generations(fake) >= wanted, child)
            time.sleep(rng.uniform(0, 0.3))
            known |= samples_of(files)
            victim = kill_somebody(child, rng)
            ended = finish(child)
            if victim == "worker":
                assert ended.code == 3, ended.err
                assert "ended unexpectedly: SIGKILL" in ended.err
            assert known.items() <= samples_of(files).items(), "a committed row is lost or changed"
        ended = files.run("generate", "--workers", "2")
        assert ended.code == 0, ended.err
    assert known.items() <= samples_of(files).items()
    assert [int(row["id"].split(".")[0]) for row in files.rows()] == list(range(rows))


@pytest.mark.fault(26)
@pytest.mark.timeout(300)
def test_kill_9_of_workers_coordinator_or_both_loses_nothing_and_doubles_nothing(run_files):
    kill_and_finish(run_files, rows=60, kills=3, seed=random.randrange(2**32))


@pytest.mark.fault(26)
@pytest.mark.long
@pytest.mark.timeout(900)
def test_kill_9_twenty_times_with_several_workers(run_files):
    kill_and_finish(run_files, rows=200, kills=20, seed=random.randrange(2**32))


@pytest.mark.fault(26)
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kill_9_two_hundred_times_with_several_workers(run_files):
    kill_and_finish(run_files, rows=2_000, kills=200, seed=random.randrange(2**32))


def test_a_worker_that_cannot_go_on_stops_the_run_with_its_reason(run_files):
    asked = []

    def swap(body):
        asked.append(body)
        return None if len(asked) <= 6 else Reply.status(404, "The model `fake` does not exist.")

    with serve(lambda body: (swap(body) if facts_of(body) else None) or WRITER.answer(body)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 40, "max_rounds": 0}, targets=TEXT_ONLY)
        ended = files.run("generate", "--workers", "2")
    assert ended.code == 3
    assert "is not served here" in ended.err
    with LedgerReader(files.run_dir) as reader:
        counts = reader.counts()
    assert (counts.rejected, counts.failed) == (0, 0)


@pytest.mark.fault(41)
def test_few_open_files_lower_the_concurrency_and_say_so(run_files):
    def limit_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    with serve(slowly) as fake:
        files = run_files(
            fake.base_url, {"max_in_flight": 1000}, recipe={"rows": 300, "max_in_flight": 1000}, targets=TEXT_ONLY
        )
        ended = finish(files.start("generate", "--workers", "1", preexec_fn=limit_files))
    assert ended.code == 0, ended.err
    assert "256 files" in ended.err
    assert "at most 160 samples" in ended.err
    assert 100 <= fake.most_in_flight <= 160


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_drains_the_run(run_files, number):
    with serve(slowly) as fake:
        files = run_files(fake.base_url, recipe={"rows": 400, "max_in_flight": 4}, targets=TEXT_ONLY)
        child = files.start("generate", "--workers", "2", start_new_session=True)
        wait_until(lambda: generations(fake) >= 8, child)
        os.killpg(child.pid, number)
        ended = finish(child)
    assert ended.code == 130, ended.err
    assert "ended unexpectedly" not in ended.err
    assert "all of them committed" in ended.err
    assert not (files.run_dir / "control.sock").exists()
