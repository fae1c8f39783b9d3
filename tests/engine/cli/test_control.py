"""The commands that look at and control a run at work, against a real run in a process of its own."""

import json
import signal
import time

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import TEXT_ONLY, finish, wait_until
from fakes.writer import Writer, facts_of, generations, slowly

WRITER = Writer()
ANSWER_S = 0.1


@pytest.fixture
def fake():
    with serve_in_thread(FakeEndpoint(answer=slowly(ANSWER_S), vision=True)) as fake:
        yield fake


@pytest.fixture
def at_work(run_files, fake):
    """A run of more rows than a test lets it make, with its process; killed if the test did not end it."""
    files = run_files(fake.base_url, {"timeout_s": 60}, recipe={"rows": 3000, "max_in_flight": 6}, targets=TEXT_ONLY)
    child = files.start("generate", "--workers", "1")
    try:
        wait_until(lambda: len(generations(fake)) >= 12, child)
        yield files, child
    finally:
        child.kill()
        child.communicate()


def test_a_paused_run_sends_nothing_until_it_is_resumed(at_work, fake):
    files, child = at_work
    assert files.run("pause").code == 0
    # Those in flight end first, and may need another attempt for that: what the endpoint has in hand does not tell.
    wait_until(lambda: json.loads(files.run("status", "--json").out)["at_work"]["in_flight"] == 0, child)
    asked = len(generations(fake))
    time.sleep(8 * ANSWER_S)
    assert len(generations(fake)) == asked
    status = files.run("status")
    assert f"paused, process {child.pid}" in status.out
    refused = files.run("resume", "--workers", "2")
    assert refused.code == 3
    assert "whose workers are there already" in refused.err
    assert files.run("resume").code == 0
    wait_until(lambda: len(generations(fake)) > asked + 12, child)
    assert json.loads(files.run("status", "--json").out)["at_work"]["paused"] is False


def test_the_number_in_flight_follows_what_is_set(at_work, fake):
    files, child = at_work
    assert files.run("set", "--max-in-flight", "2").code == 0
    wait_until(lambda: fake.in_flight <= 2, child)
    fake.most_in_flight = 0
    time.sleep(8 * ANSWER_S)
    assert 1 <= fake.most_in_flight <= 2
    ended = files.run("set", "--max-in-flight", "11", "--json")
    assert json.loads(ended.out)["done"] == "set"
    wait_until(lambda: fake.in_flight >= 11, child)
    assert fake.most_in_flight == 11
    assert files.run("set", "--max-in-flight", "0").code == 2


def test_stop_ends_a_run_as_ctrl_c_does_and_everything_is_committed(at_work, fake):
    files, child = at_work
    stopped = files.run("stop", "--wait")
    assert stopped.code == 0, stopped.err
    ended = finish(child)
    assert ended.code == 130
    assert "Stopped by process" in ended.err
    assert "Give the same command again" in ended.err
    [(attempts,)] = files.query("SELECT sum(attempts) FROM sample")
    assert attempts == len(generations(fake)), "a sample that was in flight is not committed"
    assert not (files.run_dir / "control.sock").exists()

    again = files.run("stop")
    assert again.code == 0
    assert "No process runs" in again.err
    for command in (("pause",), ("set", "--max-in-flight", "3")):
        refused = files.run(*command)
        assert refused.code == 3
        assert "no process runs" in refused.err
        assert "routenator resume" in refused.err
    status = json.loads(files.run("status", "--json").out)
    assert (status["running_pid"], status["at_work"], status["silence"]) == (None, None, None)
    assert status["slots"]["planned"] == 3000


def test_resume_continues_a_run_that_no_process_runs(run_files, fake):
    fake.answer = lambda body: Reply.status(400, "no") if facts_of(body) else WRITER.answer(body)
    files = run_files(fake.base_url, recipe={"rows": 6, "max_rounds": 4}, targets=TEXT_ONLY)
    assert files.run().code == 1
    fake.answer = WRITER.answer
    resumed = files.run("resume")
    assert resumed.code == 0, resumed.err
    assert "going on from its directory" in resumed.err
    assert len(files.rows()) == 6


def test_status_of_a_run_at_work_tells_rate_replicas_workers_and_what_takes_long(at_work, fake):
    files, child = at_work
    hanging = []

    def hang(body):
        hanging.append(body)
        return Reply.text("", delay_s=float("inf"))

    fake.answer = hang
    wait_until(lambda: len(hanging) == 6, child)
    shown = files.run("status")
    assert shown.code == 0, shown.err
    assert f"running, process {child.pid}" in shown.out
    assert "3,000 rows" in shown.out
    assert "ETA" in shown.out
    status = json.loads(files.run("status", "--json").out)
    assert status["running_pid"] == child.pid
    state = status["at_work"]
    assert state["in_flight"] == 6
    [endpoint] = state["endpoints"]
    [replica] = endpoint["replicas"]
    assert (endpoint["name"], replica["in_flight"], replica["condition"]) == ("fake", 6, "up")
    assert replica["latency_ms"] >= ANSWER_S * 1000 / 2  # smoothed over the checks at the start, which took no time
    oldest = [sample for worker in state["workers"] for sample in worker["oldest"]]
    assert {sample["node"] for sample in oldest} == {"generate_text"}
    assert all(worker["pid"] > 0 for worker in state["workers"])


def test_a_process_that_does_not_answer_is_told_and_what_is_committed_is_shown(at_work):
    files, child = at_work
    child.send_signal(signal.SIGSTOP)
    try:
        shown = files.run("status")
        assert files.run("pause").code == 3
    finally:
        child.send_signal(signal.SIGCONT)
    assert shown.code == 0, shown.err
    assert "does not answer within" in " ".join(shown.out.split())
    assert "of 3,000 rows delivered" in shown.out


@pytest.fixture
def loading(run_files, fake):
    """A run whose endpoint does not answer the checks at its start, with its process."""
    fake.answer = lambda body: Reply.text("", delay_s=float("inf"))
    files = run_files(fake.base_url, {"timeout_s": 600}, recipe={"rows": 30}, targets=TEXT_ONLY)
    child = files.start("generate", "--workers", "1")
    try:
        wait_until(lambda: fake.requests, child)
        yield files, child
    finally:
        child.kill()
        child.communicate()


def test_status_of_a_run_that_still_loads_says_so(loading):
    files, child = loading
    shown = files.run("status")
    assert shown.code == 0, shown.err
    assert f"loading, process {child.pid}" in shown.out
    assert "It still loads its pack and checks its endpoints." in " ".join(shown.out.split())
    assert "0 of 30 rows delivered" in shown.out
    status = json.loads(files.run("status", "--json").out)
    assert (status["at_work"]["phase"], status["at_work"]["accepted"], status["silence"]) == ("loading", 0, None)
    for command in (("pause",), ("resume",), ("set", "--max-in-flight", "3")):
        refused = files.run(*command)
        assert refused.code == 3
        assert "it still loads" in refused.err


@pytest.mark.parametrize("options", [("--wait",), ()])
def test_a_run_that_still_loads_is_stopped_at_once_and_begun_anew_later(loading, fake, options):
    files, child = loading
    stopped = files.run("stop", *options)
    assert stopped.code == 0, stopped.err
    assert ("Stopped before it had begun" if options else "Stopping at once: it was loading") in stopped.err
    ended = finish(child)
    assert ended.code == 130
    assert "so nothing is kept: give its command again" in ended.err
    assert not (files.run_dir / "control.sock").exists()
    fake.answer = WRITER.answer
    files.recipe["rows"] = 20  # nothing is kept of a run that never began, its settings neither
    again = files.run()
    assert again.code == 0, again.err
    assert len(files.rows()) == 20


@pytest.mark.parametrize("command", [("status",), ("pause",), ("resume",), ("stop",), ("set", "--max-in-flight", "3")])
def test_a_path_that_holds_no_run_is_wrong_input(run_files, command):
    files = run_files("http://127.0.0.1:1/v1")
    ended = files.run(*command)
    assert ended.code == 2
    assert "no run" in ended.err
    assert not files.run_dir.exists()
