"""A clock that jumps, and a process that is stopped for a while."""

import json
import os
import shutil
import signal
import subprocess
import time
from datetime import datetime

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import TEXT_ONLY, finish
from fakes.writer import Writer, facts_of, generations

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

WRITER = Writer()


# What a process sees of the wall clock; the monotonic clock is left alone, as by an administrator who sets the time.
JUMPING_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump_s(void) {
    char text[32] = {0};
    const char *path = getenv("CLOCK_JUMP");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return 0;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    return size > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) now->tv_sec += jump_s();
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
"""
HOUR_S = 3600


@pytest.fixture
def jumping_clock(tmp_path):
    """Environment of a process whose wall clock goes wrong by the seconds in the file ``jump``."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a clock jump with")
    source, library = tmp_path / "jumping.c", tmp_path / "jumping.so"
    source.write_text(JUMPING_CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_JUMP": str(tmp_path / "jump")}


@pytest.mark.fault(40)
def test_a_clock_that_jumps_bends_no_duration_and_no_rate_and_repeats_nothing(run_files, jumping_clock, tmp_path):
    jumps, asked = {5: -2 * HOUR_S, 15: 24 * HOUR_S}, []

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        asked.append(body)
        if len(asked) in jumps:
            (tmp_path / "jump").write_text(str(jumps[len(asked)]))
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.15)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 24, "max_in_flight": 2, "max_rounds": 8}
        files = run_files(fake.base_url, recipe=recipe, targets=TEXT_ONLY, environment=jumping_clock)
        ended = finish(files.start("generate", "--json"))
    assert ended.code == 0, ended.err
    with LedgerReader(files.run_dir) as reader:
        traces = [reader.trace(SampleKey(row["slot"], row["round"])) for row in reader.samples()]
    starts = [datetime.fromisoformat(trace["started_at"]).timestamp() for trace in traces]
    assert max(starts) - min(starts) > 25 * HOUR_S, "the run saw both jumps"
    requests = []
    for trace in traces:
        assert 100 < trace["duration_ms"] < 60_000
        for span in trace["spans"]:
            assert 0 <= span["start_ms"] <= span["start_ms"] + span["duration_ms"] < 60_000
        requests += [request for attempt in trace["attempts"] for request in attempt["completion"]["requests"]]
    assert all(100 < request["latency_ms"] < 30_000 and request["error"] is None for request in requests)
    assert len(asked) == len(requests), "nothing was asked for twice"
    progress = [json.loads(line) for line in ended.out.splitlines()]
    rates = [event["rate_s"] for event in progress if event["event"] == "progress"]
    assert rates and all(0 <= rate < 100 for rate in rates)


@pytest.mark.fault(40)
@pytest.mark.parametrize("stopped_s", [5, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.timeout(240)
def test_a_stopped_run_that_goes_on_asks_again_for_what_was_in_flight_and_no_more(run_files, stopped_s):
    def answer(body):
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.2) if facts_of(body) else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 24, "max_rounds": 8}
        files = run_files(fake.base_url, {"timeout_s": 3.0, "max_retries": 0}, recipe=recipe, targets=TEXT_ONLY)
        child = files.start(start_new_session=True)
        while child.poll() is None and len(generations(fake)) < 10:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGSTOP)
        time.sleep(stopped_s)
        os.killpg(child.pid, signal.SIGCONT)
        ended = finish(child)
    assert ended.code == 0, ended.err
    assert "failed" not in {verdict for (verdict,) in files.query("SELECT verdict FROM sample")}
    [(attempts,)] = files.query("SELECT sum(attempts) FROM sample")
    assert len(generations(fake)) <= attempts + 8, "those in flight are asked for again, once"
    assert len(files.rows()) == 24
