"""Runs with several worker processes: the same rows, and nothing lost whatever is killed."""

import os
import resource
import signal

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.killing import ANSWER_S, check_ledgers, committed, kill_and_finish, kill_worker
from fakes.run_files import TEXT_ONLY, finish, wait_until
from fakes.writer import Writer, facts_of, generations, slowly

from routenator.engine.ledger.reader import LedgerReader

WRITER = Writer()


def serve(answer=WRITER.answer, **settings):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True, **settings))


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
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 60, "max_in_flight": 4}, targets=TEXT_ONLY)
        child = files.start("generate", "--workers", "2")
        wait_until(lambda: len(generations(fake)) >= 10, child)
        child.send_signal(signal.SIGINT)
        stopped = finish(child)
        assert stopped.code == 130, stopped.err
        known = committed(files)
        assert known
        more = files.run("generate", "--workers", "3")
        assert more.code == 0, more.err
        assert "begun with 2 workers" in more.err
    assert known.items() <= committed(files).items()
    assert len(files.rows()) == 60


@pytest.mark.timeout(300)
def test_resume_with_any_number_of_workers_makes_the_same_rows(run_files):
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 60, "max_in_flight": 4}, targets=TEXT_ONLY)
        assert files.run("generate", "--workers", "1").code == 0
        alone = dataset_of(files)
        files.run_dir.rename(files.folder / "alone")
        for workers in (1, 2):
            begun = len(generations(fake))
            child = files.start("generate", "--workers", "3")
            wait_until(lambda begun=begun: len(generations(fake)) >= begun + 10, child)
            child.send_signal(signal.SIGINT)
            assert finish(child).code == 130
            resumed = files.run("resume", "--workers", str(workers))
            assert resumed.code == 0, resumed.err
            assert (f"Starting {workers} workers" in resumed.err) == (workers > 1)
            assert dataset_of(files) == alone
            files.run_dir.rename(files.folder / f"by-{workers}")


@pytest.mark.fault(26)
@pytest.mark.timeout(300)
def test_kill_9_of_workers_coordinator_or_both_loses_nothing_and_doubles_nothing(run_files):
    kill_and_finish(run_files, rows=60, kills=3, workers=2)


@pytest.mark.fault(26)
@pytest.mark.timeout(300)
def test_a_run_goes_on_by_itself_when_one_of_its_workers_is_killed(run_files):
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 200, "max_in_flight": 4, "max_rounds": 8}, targets=TEXT_ONLY)
        child = files.start("generate", "--workers", "2")
        wait_until(lambda: len(generations(fake)) >= 20, child)
        known = committed(files)
        kill_worker(child)
        ended = finish(child)
    assert ended.code == 0, ended.err
    assert "was ended by SIGKILL: it is started again" in " ".join(ended.err.split())
    assert known.items() <= check_ledgers(files, known).items()
    assert len(files.rows()) == 200


@pytest.mark.fault(26)
@pytest.mark.long
@pytest.mark.timeout(900)
def test_kill_9_twenty_times_with_several_workers(run_files):
    kill_and_finish(run_files, rows=200, kills=20, workers=2)


@pytest.mark.fault(26)
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kill_9_two_hundred_times_with_several_workers(run_files):
    kill_and_finish(run_files, rows=2_000, kills=200, workers=2)


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

    with serve(slowly(ANSWER_S)) as fake:
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
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 400, "max_in_flight": 4}, targets=TEXT_ONLY)
        child = files.start(
            "generate",
            "--workers",
            "2",
            start_new_session=True,
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # these tests may run under nohup
        )
        wait_until(lambda: len(generations(fake)) >= 8, child)
        os.killpg(child.pid, number)
        ended = finish(child)
    assert ended.code == 130, ended.err
    assert "ended unexpectedly" not in ended.err
    assert "all of them committed" in ended.err
    assert not (files.run_dir / "control.sock").exists()
