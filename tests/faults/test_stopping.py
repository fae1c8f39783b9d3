"""Ctrl-C, kill -9 and a second process, on the real command in a process of its own."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.killing import ANSWER_S, check_ledgers, committed, kill_and_finish
from fakes.run_files import TEXT_ONLY, finish, wait_until
from fakes.writer import Writer, facts_of, generations, opening_of, slowly

WRITER = Writer()
HANG = Reply.text("", delay_s=float("inf"))


def serve(answer):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True))


@pytest.mark.fault(26)
@pytest.mark.fault(37)
@pytest.mark.timeout(300)
def test_kill_9_at_three_random_moments_loses_nothing_and_doubles_nothing(run_files):
    kill_and_finish(run_files, rows=40, kills=3, workers=1)


@pytest.mark.fault(26)
@pytest.mark.fault(37)
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kill_9_at_thirty_random_moments(run_files):
    kill_and_finish(run_files, rows=600, kills=30, workers=1)


def kill_resumes(run_files, rows, kills, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)

    def start_resume(files):
        """A run that has the lock and begins to resume: what comes before is only Python."""
        child = files.start()
        said = child.stderr.readline()
        assert said.startswith("Continuing the run"), said + child.communicate()[1]
        return child

    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": rows, "max_rounds": 8}, targets=TEXT_ONLY)
        child = files.start()
        wait_until(lambda: len(committed(files)) >= 8, child)
        child.kill()
        child.communicate()
        first = known = committed(files)
        asked = len(generations(fake))
        child = start_resume(files)
        began = time.monotonic()
        wait_until(lambda: len(generations(fake)) > asked, child)
        resuming_s = time.monotonic() - began
        for _ in range(kills):
            child.kill()
            child.communicate()
            known |= committed(files)
            check_ledgers(files, known)
            child = start_resume(files)
            time.sleep(rng.uniform(0, resuming_s))
        child.kill()
        child.communicate()
        known, asked = committed(files), len(generations(fake))
        check_ledgers(files, first | known)
        [(attempts,)] = files.query("SELECT sum(attempts) FROM sample")
        ended = files.run()
        assert ended.code == 0, ended.err
        check_ledgers(files, known)
        [(all_attempts,)] = files.query("SELECT sum(attempts) FROM sample")
        assert len(generations(fake)) - asked == all_attempts - attempts, "a finished row was asked for again"
    delivered = {row["id"]: row["query"] for row in files.rows()}
    assert len(delivered) == rows
    accepted = {name for (name,) in files.query("SELECT slot || '.' || round FROM sample WHERE verdict = 'accepted'")}
    assert accepted == delivered.keys()
    assert first.keys() & accepted, "rows from before the kills are among those delivered"
    assert all(delivered[name] == first[name] for name in first.keys() & accepted)


@pytest.mark.fault(27)
@pytest.mark.fault(37)
@pytest.mark.timeout(300)
def test_kill_9_during_resumes_keeps_the_rows_before_it(run_files):
    kill_resumes(run_files, rows=24, kills=2, seed=random.randrange(2**32))


@pytest.mark.fault(27)
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kill_9_during_forty_resumes(run_files):
    kill_resumes(run_files, rows=200, kills=40, seed=random.randrange(2**32))


@pytest.mark.fault(34)
def test_ctrl_c_drains_commits_and_says_how_to_go_on(run_files):
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 60, "max_rounds": 8}, targets=TEXT_ONLY)
        child = files.start()
        wait_until(lambda: len(generations(fake)) >= 12, child)
        child.send_signal(signal.SIGINT)
        ended = finish(child)
        assert ended.code == 130
        assert "Stopping: what is in flight has" in ended.err
        assert "Give the same command again" in ended.err
        [(samples, attempts)] = files.query("SELECT count(*), sum(attempts) FROM sample")
        assert 0 < samples < 60
        assert attempts == len(generations(fake)), "a sample that was in flight is not committed"
        assert not (files.run_dir / "dataset").exists(), "of a large run it takes minutes: a stop does without"
        again = files.run()
        assert again.code == 0, again.err
    assert len(files.rows()) == 60


@pytest.mark.fault(34)
def test_a_run_that_is_stopped_with_all_its_rows_has_its_duplicates_to_find(run_files):
    def answer(body):
        reply = slowly(ANSWER_S)(body)
        return replace(reply, delay_s=1.0) if facts_of(body) is not None and len(generations(fake)) == 8 else reply

    with serve(answer) as fake:
        files = run_files(fake.base_url, recipe={"rows": 8, "max_in_flight": 2}, targets=TEXT_ONLY)
        child = files.start()
        wait_until(lambda: len(generations(fake)) >= 8, child)
        child.send_signal(signal.SIGINT)
        ended = finish(child)
        assert ended.code == 130, ended.err
        assert files.query("SELECT count(*) FROM sample WHERE verdict = 'accepted'") == [(8,)]
        assert not (files.run_dir / "dataset").exists()
        assert files.run().code == 0
    assert len(files.rows()) == 8


@pytest.mark.fault(34)
def test_ctrl_c_twice_leaves_within_five_seconds_and_keeps_what_had_ended(run_files):
    def hang_after_ten(body):
        if facts_of(body) is not None and len(generations(fake)) > 10:
            return HANG
        return WRITER.answer(body)

    with serve(hang_after_ten) as fake:
        files = run_files(fake.base_url, {"timeout_s": 600}, recipe={"rows": 40}, targets=TEXT_ONLY)
        child = files.start()
        wait_until(lambda: len(committed(files)) >= 5 and len(generations(fake)) >= 15, child)
        known = committed(files)
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert child.poll() is None
        second = time.monotonic()
        child.send_signal(signal.SIGINT)
        ended = finish(child)
        assert time.monotonic() - second < 5
        assert ended.code == 130
        assert "given up" in ended.err
        assert "Give the same command again" in ended.err
        check_ledgers(files, known)
        fake.answer = WRITER.answer
        assert files.run().code == 0


@pytest.mark.fault(34)
@pytest.mark.timeout(120)
def test_one_ctrl_c_ends_a_run_whose_disk_is_full(run_files, small_disk):
    with serve(WRITER.answer) as fake:
        files = run_files(fake.base_url, recipe={"rows": 20_000, "max_in_flight": 64}, targets=TEXT_ONLY)
        files.run_dir.symlink_to(small_disk / "run")
        (small_disk / "run").mkdir()
        child = files.start("generate", "--workers", "1")
        wait_until(lambda: len(committed(files)) >= 20, child)
        with suppress(OSError), (small_disk / "more").open("wb", buffering=0) as file:
            while True:
                file.write(b"\1" * 4_096)
        wait_until(lambda: "no room on the disk" in files.run("status").out, child)
        known = committed(files)
        child.send_signal(signal.SIGTERM)
        ended = finish(child, 40)
        assert ended.code == 130, ended.err
        (small_disk / "more").unlink()
        check_ledgers(files, known)


@pytest.mark.fault(34)
def test_nohup_keeps_a_run_from_the_end_of_its_session(run_files):
    with serve(slowly(ANSWER_S)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 40, "max_in_flight": 4}, targets=TEXT_ONLY)
        child = files.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_until(lambda: len(generations(fake)) >= 8, child)
        child.send_signal(signal.SIGHUP)
        ended = finish(child)
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 40


@pytest.mark.parametrize("words", ["are read by nobody", "have lost their reader"])
def test_what_a_run_says_cannot_hold_it_up_or_end_it(run_files, words):
    reader, writer = os.pipe()
    if words == "are read by nobody":
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 64)
        os.set_blocking(writer, True)
    else:
        os.close(reader)
    with serve(WRITER.answer) as fake:
        files = run_files(fake.base_url, recipe={"rows": 24}, targets=TEXT_ONLY)
        command = [sys.executable, "-m", "routenator", *files.arguments("generate", ())]
        environment = os.environ | files.environment
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=writer, env=environment, cwd=files.folder)
        assert child.wait(100) == 0
    os.close(writer)
    assert len(files.rows()) == 24


@pytest.mark.parametrize("phase", ["role checks", pytest.param("calibration", marks=pytest.mark.long)])
def test_ctrl_c_before_the_first_sample_leaves_at_once(run_files, phase):
    def hang(body):
        if phase == "role checks" or opening_of(body).startswith("You label"):
            return HANG
        return WRITER.answer(body)

    with serve(hang) as fake:
        roles = {"text": "fake", "vision": "fake", "judge": "fake"}
        files = run_files(
            fake.base_url, {"timeout_s": 600}, recipe={"rows": 5, "critique": {"judge_pairs": 4}}, roles=roles
        )
        child = files.start()
        wanted = "You label" if phase == "calibration" else ""
        wait_until(lambda: any(opening_of(request.body).startswith(wanted) for request in list(fake.requests)), child)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        ended = finish(child)
        assert time.monotonic() - sent < 5
        assert ended.code == 130
        assert ended.err.rstrip().splitlines()[-1].startswith("Stopped before it had begun")
        fake.answer = WRITER.answer
        files.recipe["critique"] = {"judge_pairs": 4}
        assert files.run().code == 0


@pytest.mark.fault(31)
def test_a_second_process_on_the_same_run_is_refused_naming_the_first(run_files):
    with serve(lambda body: HANG if facts_of(body) else WRITER.answer(body)) as fake:
        files = run_files(fake.base_url, {"timeout_s": 600}, recipe={"rows": 4})
        child = files.start()
        try:
            wait_until(lambda: len(generations(fake)) > 0, child)
            ended = files.run()
            assert ended.code == 3
            assert f"is in use by process {child.pid}" in ended.err
            assert files.run("finalize").code == 3
            status = files.run("status")
            assert status.code in (0, 1)
        finally:
            child.kill()
            child.communicate()
        fake.answer = WRITER.answer
        assert files.run().code == 0
