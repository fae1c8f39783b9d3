"""`routenator traces export` with a backend that takes traces, and with one that is dead."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import finish
from fakes.writer import Writer, facts_of
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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


@pytest.mark.fault(38)
def test_a_backend_that_dies_ends_the_export_with_the_way_to_go_on(run_files):
    files = made_run(run_files, 120)
    with receive(lambda number: 200 if number == 1 else 503) as (url, taken, asked):
        ended = files.run("traces", "export", "--otlp", url, "--timeout", "2")
        assert ended.code == 1
        assert "503" in ended.err or "Service Unavailable" in ended.err
        assert 2 <= len(asked) < 12, "tries are bounded"
    last = ended.err.split("--after ")[1].split()[0]
    with receive() as (url, more, _):
        assert files.run("traces", "export", "--otlp", url, "--after", last).code == 0
    ids = [s.trace_id for batch in (*taken, *more) for s in batch if not s.parent_span_id]
    assert len(ids) == len(set(ids)) == files.query("SELECT count(*) FROM sample")[0][0]


@pytest.mark.fault(38)
def test_a_run_does_not_notice_that_its_follower_has_a_dead_backend(run_files):
    def slowly(body):
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.1) if facts_of(body) else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=slowly, vision=True)) as fake, receive(lambda _: 503) as (url, _, asked):
        files = run_files(fake.base_url, recipe={"rows": 60, "max_rounds": 8}, targets=TEXT_ONLY)
        run = files.start()
        while run.poll() is None and not (files.run_dir / "run.db").exists():
            threading.Event().wait(0.05)
        while run.poll() is None and files.query("SELECT count(*) FROM sample")[0][0] == 0:
            threading.Event().wait(0.05)
        follower = files.start("traces", "export", "--otlp", url, "--follow", "--timeout", "2")
        followed, ended = finish(follower), finish(run)
    assert asked, "the backend was asked"
    assert followed.code == 1
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 60
