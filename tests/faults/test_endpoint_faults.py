"""Whole runs against an endpoint that misbehaves."""

import asyncio
import json
import threading
import time

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.writer import Writer, facts_of

from routenator.engine.ledger.reader import LedgerReader, SampleFilter
from routenator.engine.runs.window import MAX_FAILURES_IN_A_ROW
from routenator.engine.sample import SampleKey

WRITER = Writer()
TEXT_ONLY = {"route": {"text": 1.0}}


def serve(answer, **settings):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True, **settings))


def generation_only(reply):
    """The writer, but ``reply(body)`` answers requests for queries unless it returns ``None``."""
    return lambda body: (reply(body) if facts_of(body) else None) or WRITER.answer(body)


def counts_of(files):
    with LedgerReader(files.run_dir) as reader:
        return reader.counts()


def traces_of(files, **wanted):
    with LedgerReader(files.run_dir) as reader:
        rows = reader.samples(SampleFilter(**wanted))
        return [reader.trace(SampleKey(row["slot"], row["round"])) for row in rows]


@pytest.mark.fault(1)
@pytest.mark.fault(8)
def test_a_run_goes_on_when_a_refusing_server_comes_back(run_files):
    outage = threading.Event()
    fake = FakeEndpoint(answer=generation_only(lambda body: outage.set()), vision=True)

    async def serve_with_an_outage():
        async with fake:
            ready.set()
            await asyncio.to_thread(outage.wait)
            await fake.stop()
            await asyncio.sleep(1.0)
            await fake.start()
            await asyncio.to_thread(done.wait)

    ready, done = threading.Event(), threading.Event()
    server = threading.Thread(target=lambda: asyncio.run(serve_with_an_outage()), daemon=True)
    server.start()
    assert ready.wait(10)
    files = run_files(fake.base_url, {"max_retries": 6}, recipe={"rows": 12}, targets=TEXT_ONLY)
    try:
        ended = files.run()
    finally:
        done.set()
        server.join(10)
    assert ended.code == 0, ended.err
    requests = [
        request
        for trace in traces_of(files, verdict="accepted")
        for request in trace["attempts"][0]["completion"]["requests"]
    ]
    # On a busy machine what was sent as the port closed may hang until it is seen to stall; nothing else is sent then.
    errors = [request["error"] or "" for request in requests]
    assert any("no connection" in error or "has answered none" in error for error in errors), errors


@pytest.mark.fault(8)
def test_a_dead_server_stops_the_run_after_a_bounded_number_of_failures(run_files):
    fake = FakeEndpoint(vision=True)
    asked = []

    def die(body):
        asked.append(body)
        return None if len(asked) < 6 else Reply.status(500, "out of memory")

    fake.answer = generation_only(die)
    routes = {"route": {"heuristic": 0.3, "text": 0.7}, "length": {"3-5": 1.0}}
    with serve_in_thread(fake):
        endpoint = {"max_retries": 0, "timeout_s": 0.5}
        files = run_files(fake.base_url, endpoint, recipe={"rows": 150}, targets=routes)
        ended = files.run()
    assert ended.code == 3
    assert "text samples failed one after another" in ended.err
    assert "out of memory" in ended.err
    assert "give the same command again" in " ".join(ended.err.split())
    counts = counts_of(files)
    # A late answer to one of the first requests may start the count again, once in practice.
    assert MAX_FAILURES_IN_A_ROW <= counts.failed < 2 * MAX_FAILURES_IN_A_ROW + 8
    assert counts.planned == counts.accepted + counts.rejected + counts.failed + counts.pending
    assert counts.pending > 40, "the other slots are still open"
    with serve(WRITER.answer) as mended:
        files.endpoint = {"base_url": mended.base_url}
        assert files.run().code in (0, 1)
    # A grammar may have no words for a slot; every slot of the endpoint is filled.
    assert files.query("SELECT count(*) FROM sample WHERE verdict = 'accepted' AND route = 'text'") == [(105,)]


@pytest.mark.fault(4)
def test_headers_that_never_come_are_cut_by_the_deadline(run_files):
    hung = []

    def hang_once(body):
        if len(hung) < 2:
            hung.append(body)
            return Reply.text("", delay_s=float("inf"))
        return None

    with serve(generation_only(hang_once)) as fake:
        files = run_files(fake.base_url, {"timeout_s": 1.5}, recipe={"rows": 6}, targets=TEXT_ONLY)
        started = time.monotonic()
        ended = files.run()
    assert ended.code == 0, ended.err
    assert time.monotonic() - started < 30
    errors = [
        request["error"]
        for trace in traces_of(files, verdict="accepted")
        for request in trace["attempts"][0]["completion"]["requests"]
        if request["error"]
    ]
    assert errors == ["endpoint: no complete answer within 1.5 s"] * 2


@pytest.mark.fault(7)
def test_a_200_with_an_error_beside_a_good_completion_is_no_row(run_files):
    broken = []

    def break_first(body):
        if broken:
            return None
        broken.append(body)
        good = Reply.json({"query": WRITER.query(body)}, model="fake", completion_tokens=999)
        return Reply(body={**good.body, "error": {"message": "engine is dead"}})

    with serve(generation_only(break_first)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 3, "max_in_flight": 1}, targets=TEXT_ONLY)
        assert files.run().code == 0
    [trace] = [each for each in traces_of(files) if len(each["attempts"][0]["completion"]["requests"]) > 1]
    failed, good = trace["attempts"][0]["completion"]["requests"]
    assert failed["status"] == 200
    assert "an error in the body" in failed["error"] and "engine is dead" in failed["error"]
    assert good["error"] is None
    assert trace["attempts"][0]["completion"]["completion_tokens"] != 999


def refuse_constant(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.fault(19)
def test_nan_in_a_servers_numbers_is_tolerated_and_nothing_that_we_write_holds_any(run_files):
    def answer_with_nan(body):
        whole = Reply.json({"query": WRITER.query(body)}, model="fake").body
        whole["choices"][0]["logprobs"] = {"content": [{"logprob": float("nan")}, {"logprob": -float("inf")}]}
        whole["usage"] = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), float("nan"))
        return Reply(body=json.dumps(whole).encode())

    with serve(generation_only(answer_with_nan)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 4}, targets=TEXT_ONLY)
        ended = files.run("generate", "--json")
        assert ended.code == 0, ended.err
    written = [ended.out, (files.run_dir / "dataset" / "dataset.jsonl").read_text("utf-8")]
    commands = ("traces", "list"), ("traces", "show", "0"), ("report",), ("status",)
    written += [files.run(*command, "--json").out for command in commands]
    for line in "\n".join(written).splitlines():
        if line:
            json.loads(line, parse_constant=refuse_constant)


@pytest.mark.fault(12)
def test_context_length_exceeded_is_not_retried_and_kept_in_the_servers_words(run_files):
    words = "This model's maximum context length is 512 tokens. However, you requested 700 tokens."
    refused = []

    def refuse_one(body):
        if not refused:
            refused.append(body)
            return Reply.status(400, words)
        return None

    with serve(generation_only(refuse_one)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 4, "max_rounds": 0}, targets=TEXT_ONLY)
        ended = files.run()
    assert ended.code == 1
    [failed] = traces_of(files, verdict="failed")
    assert failed["error_class"] == "endpoint"
    assert words in failed["error"]
    [attempt] = failed["attempts"]
    assert [request["status"] for request in attempt["completion"]["requests"]] == [400]
    shown = files.run("traces", "show", str(failed["key"]["slot"])).out
    assert "maximum context length is 512 tokens" in " ".join(shown.split())
    assert "1 is missing" in ended.out


@pytest.mark.fault(14)
@pytest.mark.fault(15)
@pytest.mark.parametrize("swapped", ["404", "another answers"])
def test_a_swapped_model_stops_the_run_and_uses_up_no_rounds(run_files, swapped):
    asked = []
    foreign = Reply.status(404, "The model `fake` does not exist.")
    if swapped != "404":
        foreign = Reply.json({"query": "sunny cat picture"}, model="llama-tiny")

    def swap(body):
        asked.append(body)
        return None if len(asked) <= 5 else foreign

    with serve(generation_only(swap)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 16, "max_rounds": 0}, targets=TEXT_ONLY)
        ended = files.run()
        assert ended.code == 3
        assert ("is not served here" if swapped == "404" else "model llama-tiny answered") in ended.err
        counts = counts_of(files)
        assert (counts.failed, counts.rejected) == (0, 0)
        assert counts.accepted + counts.pending == 16
        fake.answer = WRITER.answer
        assert files.run().code == 0


KEY = "sk-canary-4f1d9b7e2c"


def assert_no_key_on_disk(files, *ended):
    for each in ended:
        assert KEY not in each.out + each.err
    held = [path for path in files.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert held == []


def assert_no_key(files, *ended):
    assert_no_key_on_disk(files, *ended)
    for trace in traces_of(files):
        assert KEY not in json.dumps(trace)


@pytest.mark.fault(16)
def test_a_refused_key_stops_the_run_at_once_and_is_nowhere(run_files, monkeypatch):
    monkeypatch.setenv("FAKE_KEY", KEY)
    asked = []

    def revoke(body):
        asked.append(body)
        if len(asked) == 1:
            return Reply.json({"query": f"cat with {KEY}"})
        return None if len(asked) <= 6 else Reply.status(401, f"Incorrect API key provided: Bearer {KEY}")

    with serve(generation_only(revoke), api_key=KEY) as fake:
        files = run_files(
            fake.base_url, {"api_key_env": "FAKE_KEY", "max_retries": 5}, recipe={"rows": 30, "max_in_flight": 4}
        )
        ended = files.run()
        assert ended.code == 3
        assert "the server refused the key (status 401)" in ended.err
        assert "FAKE_KEY" in ended.err or "api_key_env" in ended.err
        # Those in flight with the first refusal may have been refused as well; nobody asked again.
        assert len(asked) <= 6 + 4
        counts = counts_of(files)
        assert counts.failed == 0
        assert counts.pending >= 20
        shown = [files.run("traces", "show", "0"), files.run("report"), files.run("traces", "list")]
        assert_no_key(files, ended, *shown)
        fake.answer = WRITER.answer
        assert files.run().code == 0
        assert_no_key(files)


@pytest.mark.fault(16)
def test_a_key_that_is_refused_from_the_start_costs_no_row(run_files, monkeypatch):
    monkeypatch.setenv("FAKE_KEY", KEY)
    with serve(WRITER.answer, api_key="another") as fake:
        files = run_files(fake.base_url, {"api_key_env": "FAKE_KEY"}, recipe={"rows": 4})
        ended = files.run()
    assert ended.code == 3
    assert "refused the key" in ended.err
    assert not (files.run_dir / "run.db").exists(), "a start that failed leaves its settings behind"
    assert not [request for request in fake.requests if facts_of(request.body)]
    assert_no_key_on_disk(files, ended)


@pytest.mark.fault(17)
def test_a_truncated_reply_is_tried_again_with_twice_the_room(run_files):
    cut = []

    def cut_first(body):
        if not cut:
            cut.append(body)
            return Reply.text('{"query": "sunny moun', "length")
        return None

    with serve(generation_only(cut_first)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 1}, targets=TEXT_ONLY)
        assert files.run().code == 0
        first, second, *_ = [request.body for request in fake.requests if facts_of(request.body)]
    assert second["max_tokens"] == 2 * first["max_tokens"]
    [trace] = traces_of(files)
    assert [attempt["error_class"] for attempt in trace["attempts"]][:2] == ["truncated", None]
    assert trace["attempts"][0]["completion"]["text"] == '{"query": "sunny moun'


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ('{"query": "sunny cat", "query": "red cat"}', "twice"),
        ('{"query": "sunny cat", }', "broken"),
        ('Sure! A query for you: "sunny cat".', "no JSON object"),
        ('["sunny cat"]', "not a JSON list"),
        ('{"text": "sunny cat"}', '"query" is a required property'),
    ],
)
def test_the_retry_of_a_reply_that_cannot_be_read_says_why(run_files, reply, reason):
    broken = []

    def break_first(body):
        if not broken:
            broken.append(body)
            return Reply.text(reply)
        return None

    with serve(generation_only(break_first)) as fake:
        # Given, not negotiated: the reply must not look like a server without structured output.
        files = run_files(fake.base_url, {"structured_output": "json_schema"}, recipe={"rows": 1}, targets=TEXT_ONLY)
        assert files.run().code == 0
        second = [request.body for request in fake.requests if facts_of(request.body)][1]
    assert reason in second["messages"][-1]["content"]
    [trace] = traces_of(files)
    assert trace["attempts"][0]["error_class"] == "parse"
    assert trace["attempts"][0]["completion"]["text"] == reply


@pytest.mark.fault(20)
def test_a_code_fence_round_the_json_costs_no_attempt(run_files):
    def fence(body):
        return Reply.text(f"```json\n{json.dumps({'query': WRITER.query(body)})}\n```")

    with serve(generation_only(fence)) as fake:
        files = run_files(fake.base_url, {"structured_output": "json_schema"}, recipe={"rows": 3}, targets=TEXT_ONLY)
        assert files.run().code == 0
    assert files.query("SELECT DISTINCT reasons LIKE '%parse%' FROM sample") == [(0,)]
