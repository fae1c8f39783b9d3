"""`routenator traces export` with a backend that takes traces, and with one that is dead."""

import asyncio
import random
import re
import sqlite3
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from factories import make_record
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import finish
from fakes.writer import Writer, facts_of
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory

NOWHERE = "http://127.0.0.1:1"
WRITER = Writer()
TEXT_ONLY = {"route": {"text": 1.0}}


@contextmanager
def receive(status=lambda number: 200):
    """An OTLP receiver on loopback: its URL, and the spans of each request that it took."""
    taken, asked = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            code = status(len(asked))
            if code == 200:
                parsed = ExportTraceServiceRequest.FromString(body)
                taken.append([s for r in parsed.resource_spans for scope in r.scope_spans for s in scope.spans])
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def attributes(span):
    return {each.key: each.value for each in span.attributes}


def made_run(run_files, rows):
    with serve_in_thread(FakeEndpoint(answer=WRITER.answer, vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": rows}, targets=TEXT_ONLY)
        assert files.run().code == 0
    return files


def test_each_sample_is_a_trace_with_its_nodes_and_calls_and_the_same_when_sent_again(run_files):
    files = made_run(run_files, 6)
    samples = files.query("SELECT count(*) FROM sample")[0][0]
    with receive() as (url, taken, asked):
        assert files.run("traces", "export", "--otlp", url).code == 0
        assert files.run("traces", "export", "--otlp", url).code == 0
    assert set(asked) == {"/v1/traces"}
    first, second = taken
    assert [(s.trace_id, s.span_id) for s in first] == [(s.trace_id, s.span_id) for s in second]
    assert len({s.span_id for s in first}) == len(first)
    roots = [s for s in first if not s.parent_span_id]
    assert len({s.trace_id for s in roots}) == len(roots) == samples
    by_id = {s.span_id: s for s in first}
    calls = [s for s in first if "gen_ai.request.model" in attributes(s)]
    assert len(calls) >= samples
    for call in calls:
        assert by_id[call.parent_span_id].name == "generate_text"
        assert by_id[call.parent_span_id].trace_id == call.trace_id
        assert attributes(call)["gen_ai.request.model"].string_value == "fake"
        assert attributes(call)["gen_ai.usage.input_tokens"].int_value == 11
        assert attributes(call)["gen_ai.usage.output_tokens"].int_value == 7
    assert {"route", "walk", "critique"} <= {s.name for s in first}


def trace_ids(batches):
    """The trace of each sample that was sent, with repetitions."""
    return [span.trace_id for batch in batches for span in batch if not span.parent_span_id]


def run_of_three_ledgers(run_files, rows):
    """A run as three workers leave it, each with its samples in an order of chance."""
    files = run_files(f"{NOWHERE}/v1")
    RunDirectory.create_or_open(files.run_dir, identity={}, planned_rows=rows, ledgers=3).close()

    async def write():
        with LedgerReader(files.run_dir) as reader:
            layout = reader.layout
        writers = [LedgerWriter(files.run_dir, pytest.fail, ledger) for ledger in range(3)]
        for slot in random.Random(38).sample(range(rows), rows):
            await writers[layout.ledger_of(slot)].put(make_record(slot))
        for writer in writers:
            await writer.close()
        return {layout.ledger_of(slot) for slot in range(rows)}

    assert asyncio.run(write()) == {0, 1, 2}
    return files


@pytest.mark.fault(38)
def test_the_traces_of_all_workers_are_sent_once_each_also_over_a_death_of_the_backend(run_files):
    files = run_of_three_ledgers(run_files, 700)
    with receive(lambda number: 200 if number <= 4 else 503) as (url, taken, asked):
        ended = files.run("traces", "export", "--otlp", url, "--timeout", "2")
    assert ended.code == 1
    assert "503" in ended.err or "Service Unavailable" in ended.err
    assert 5 <= len(asked) < 16, "tries are bounded"
    command = ended.err[ended.err.index("routenator traces export") :]
    places = [word for place in re.findall(r"--after (\S+)", command) for word in ("--after", place)]
    assert len(places) >= 4, "more than one ledger was begun"
    with receive() as (url, more, _):
        assert files.run("traces", "export", "--otlp", url, *places).code == 0
    assert taken and more
    ids = trace_ids((*taken, *more))
    assert len(ids) == len(set(ids)) == 700


@pytest.mark.fault(38)
def test_nobody_at_the_address_is_said_at_once_with_the_way_to_go_on(run_files):
    files = run_of_three_ledgers(run_files, 30)
    ended = files.run("traces", "export", "--otlp", NOWHERE, "--timeout", "1")
    assert ended.code == 1
    assert f"{NOWHERE}/v1/traces takes no traces: " in ended.err
    assert "0 traces were sent. Go on: routenator traces export" in ended.err
    assert "Traceback" not in ended.err


def test_without_the_packages_of_opentelemetry_one_line_says_what_to_install(run_files, monkeypatch):
    files = run_of_three_ledgers(run_files, 30)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    ended = files.run("traces", "export", "--otlp", NOWHERE)
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "sending traces needs OpenTelemetry",
        "Install it: pip install 'routenator[otel]'",
    ]


def start_run_that_waits_for(asked, fake, run_files):
    """A run that has committed something, and is slow until a follower has asked its backend."""

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        return Reply.json({"query": WRITER.query(body)}, delay_s=0 if asked else 1.0)

    fake.answer = answer
    recipe = {"rows": 24, "max_rounds": 8, "max_in_flight": 2}
    files = run_files(fake.base_url, recipe=recipe, targets=TEXT_ONLY)
    run = files.start()
    samples = 0
    while run.poll() is None and not samples:
        time.sleep(0.05)
        with suppress(sqlite3.OperationalError):  # the database, or its tables, are not there yet
            [(samples,)] = files.query("SELECT count(*) FROM sample")
    return files, run


@pytest.mark.fault(38)
def test_a_follower_sends_what_a_run_at_work_commits_and_ends_with_it(run_files):
    with serve_in_thread(FakeEndpoint(vision=True)) as fake, receive() as (url, taken, asked):
        files, run = start_run_that_waits_for(asked, fake, run_files)
        follower = files.start("traces", "export", "--otlp", url, "--follow")
        ended, followed = finish(run), finish(follower)
    assert (ended.code, followed.code) == (0, 0), ended.err + followed.err
    ids = trace_ids(taken)
    assert len(ids) == len(set(ids)) == files.query("SELECT count(*) FROM sample")[0][0]
    assert len(taken) > 1, "it did not wait for the end of the run"


@pytest.mark.fault(38)
def test_a_run_does_not_notice_that_its_follower_has_a_dead_backend(run_files):
    with serve_in_thread(FakeEndpoint(vision=True)) as fake, receive(lambda _: 503) as (url, _, asked):
        files, run = start_run_that_waits_for(asked, fake, run_files)
        follower = files.start("traces", "export", "--otlp", url, "--follow", "--timeout", "2")
        followed, ended = finish(follower), finish(run)
    assert asked, "the backend was asked"
    assert followed.code == 1
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 24
