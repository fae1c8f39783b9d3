"""Whole runs, and a thousand calls at once, through a network that misbehaves."""

import asyncio
import hashlib
import json
import random
import re

import pytest
from fakes.chaos_proxy import ChaosProxy, Toxic, proxy_in_thread
from fakes.endpoint import HANG_UP, FakeEndpoint, Reply, serve_in_thread
from fakes.pool import ask, open_pool
from fakes.run_files import TEXT_ONLY
from fakes.writer import Writer, facts_of, generations

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

WRITER = Writer()


def serve(answer):
    return serve_in_thread(FakeEndpoint(answer=answer, vision=True))


def attempts_of(files):
    """Every attempt of every sample, from the traces."""
    with LedgerReader(files.run_dir) as reader:
        rows = reader.samples(limit=10_000)
        traces = [reader.trace(SampleKey(row["slot"], row["round"])) for row in rows]
    return [attempt for trace in traces for attempt in trace["attempts"]]


def errors_of(files):
    """Errors of the requests behind every attempt."""
    completions = [attempt["completion"] for attempt in attempts_of(files)]
    return [request["error"] for each in completions if each for request in each["requests"] if request["error"]]


RESET = r"endpoint: the connection (broke|was closed before an answer): .*(Connection reset by peer|\[Errno 104\])"
CUT = r"endpoint: the connection broke: .*payload is not completed"
LATE = r"endpoint: no complete answer within 1\.5 s"
SLOW_BODY = Toxic("slicer", average_size=60, delay=25_000)
# The drip lets something through three times in each deadline: a time-out that counts anew at each read never ends it.
SPOILT = {
    "reset in mid-body": ((SLOW_BODY, Toxic("reset_peer", timeout=150, toxicity=0.4)), RESET),
    "no headers": ((Toxic("timeout", toxicity=0.3),), LATE),
    "body drips": ((Toxic("slicer", average_size=10, delay=500_000, toxicity=0.3),), LATE),
    "body ends early": ((Toxic("limit_data", bytes=250, toxicity=0.4),), CUT),
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("reset in mid-body", marks=pytest.mark.fault(2)),
        pytest.param("no headers", marks=pytest.mark.fault(4)),
        pytest.param("body drips", marks=pytest.mark.fault(5)),
        pytest.param("body ends early", marks=pytest.mark.fault(6)),
    ],
)
def test_a_run_delivers_every_row_through_a_spoilt_network_and_its_traces_say_what_happened(run_files, kind):
    toxics, error = SPOILT[kind]

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        proxy.spoil()
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.05)

    class Proxy(ChaosProxy):
        """Spoils nothing before the first row: what is checked at the start is not what is tested here."""

        def spoil(self):
            if toxics[0] not in self._toxics:
                for toxic in toxics:
                    self.add(toxic)

    with serve(answer) as fake:
        proxy = Proxy(fake.port, seed=5)
        with proxy_in_thread(proxy):
            files = run_files(
                proxy.base_url, {"timeout_s": 1.5, "max_retries": 8}, recipe={"rows": 12, "max_rounds": 8},
                targets=TEXT_ONLY,
            )  # fmt: skip
            ended = files.run()
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 12
    errors = errors_of(files)
    assert errors, f"seed {proxy.seed}: nothing was spoilt"
    assert [each for each in errors if not re.match(error, each)] == []
    for attempt in attempts_of(files):
        assert [bool(request["error"]) for request in attempt["completion"]["requests"]][-1:] == [False]


@pytest.mark.fault(6)
@pytest.mark.parametrize("end", ["no finish reason", "half the JSON of the body"])
def test_an_answer_without_its_end_is_never_accepted(run_files, end):
    cut = []

    def answer(body):
        if facts_of(body) is None or cut:
            return WRITER.answer(body)
        cut.append(body)
        # A query that every rule would let pass: only the missing end is wrong.
        good = json.dumps({"query": WRITER.query(body)})
        if end == "no finish reason":
            return Reply.text(good, None)
        return Reply(body=json.dumps(Reply.text(good, model="fake").body).encode()[:-40])

    with serve(answer) as fake:
        recipe = {"rows": 4, "max_in_flight": 1}
        files = run_files(fake.base_url, recipe=recipe, targets=TEXT_ONLY)
        assert files.run().code == 0
    if end == "no finish reason":
        [refused] = [attempt for attempt in attempts_of(files) if attempt["error_class"]]
        assert (refused["error_class"], refused["candidate"]) == ("truncated", None)
        assert refused["completion"]["text"].endswith("}"), "it is whole but for the end that was not said"
    else:
        [error] = errors_of(files)
        assert error.startswith("endpoint: status 200 with a body that is no completion")


@pytest.mark.fault(3)
def test_a_server_that_hangs_up_on_kept_connections_costs_a_run_no_attempt(run_files):
    asked = []

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        asked.append(body)
        return HANG_UP if len(asked) % 3 == 0 else WRITER.answer(body)

    with serve(answer) as fake:
        recipe = {"rows": 12, "max_in_flight": 1}
        files = run_files(fake.base_url, {"max_retries": 0}, recipe=recipe, targets=TEXT_ONLY)
        ended = files.run()
    assert ended.code == 0, ended.err
    assert errors_of(files)
    assert files.query("SELECT count(*) FROM sample WHERE verdict = 'failed'") == [(0,)]


def hash_of(body):
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@pytest.mark.fault(13)
def test_a_payload_that_always_gives_500_is_quarantined_after_its_retries_and_never_sent_again(run_files):
    poison = []

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        if not poison:
            poison.append(hash_of(body))
        return Reply.status(500, "kaboom") if hash_of(body) == poison[0] else WRITER.answer(body)

    def times_sent():
        return sum(hash_of(request.body) == poison[0] for request in fake.requests)

    with serve(answer) as fake:
        recipe = {"rows": 16, "max_rounds": 0, "max_in_flight": 4}
        files = run_files(fake.base_url, {"max_retries": 2}, recipe=recipe, targets=TEXT_ONLY)
        assert files.run().code == 1
        assert times_sent() == 3
        [(slot, words)] = files.query("SELECT slot, error FROM sample WHERE verdict = 'failed'")
        assert "kaboom" in words
        assert len(files.rows()) == 15, "the others go on"
        files.recipe["max_rounds"] = 3
        ended = files.run()
        assert ended.code == 0, ended.err
        assert times_sent() == 3, "the slot goes on with another payload"
    assert files.query(f"SELECT round, verdict FROM sample WHERE slot = {slot} ORDER BY round")[0] == (0, "failed")
    listed = json.loads(files.run("traces", "list", "--error-class", "endpoint", "--json").out)
    assert [row["trace_id"] for row in listed["samples"]] == [f"{slot}.0"]
    [attempt] = json.loads(files.run("traces", "show", f"{slot}.0", "--json").out)["attempts"]
    assert [request["status"] for request in attempt["completion"]["requests"]] == [500, 500, 500]


class Crowd(FakeEndpoint):
    """Answers no generation before ``size`` of them are out at once; then all, in an order of chance."""

    def __init__(self, size, seed, answer, counts):
        super().__init__(answer=answer, vision=True)
        self.size = size
        self.answered = []
        self._random = random.Random(seed)
        self._counts = counts
        self._came = 0
        self._all_here = asyncio.Event()

    async def _reply(self, request, reply, body):
        if self._counts(body) and not self._all_here.is_set():
            self._came += 1
            number = self._came
            if self._came == self.size:
                self._all_here.set()
            await self._all_here.wait()
            await asyncio.sleep(self._random.uniform(0, 0.5))
            self.answered.append(number)
        return await super()._reply(request, reply, body)


@pytest.mark.fault(21)
async def test_a_thousand_replies_out_of_order_are_never_cross_wired():
    crowd = Crowd(1000, 21, lambda body: Reply.text(body["messages"][-1]["content"]), lambda body: True)
    async with crowd, open_pool(crowd.base_url, max_in_flight=1024, timeout_s=90) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(f"nonce {n}")) for n in range(1000)))
    assert [reply.text for reply in replies] == [f"nonce {n}" for n in range(1000)]
    assert crowd.most_in_flight == 1000
    assert crowd.answered != sorted(crowd.answered)


@pytest.mark.fault(21)
def test_a_run_with_a_hundred_samples_in_flight_gives_each_its_own_reply(run_files):
    nonces = {}

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        nonce = nonces.setdefault(key_of(body["seed"], body["messages"]), 1_000 + len(nonces))
        return Reply.json({"query": WRITER.query(body)}, prompt_tokens=nonce)

    def key_of(seed, messages):
        return seed, messages[-1]["content"]

    with serve_in_thread(Crowd(100, 22, answer, facts_of)) as crowd:
        recipe = {"rows": 100, "max_in_flight": 100}
        endpoint = {"max_in_flight": 128, "timeout_s": 60}
        files = run_files(crowd.base_url, endpoint, recipe=recipe, targets=TEXT_ONLY)
        ended = files.run()
    assert ended.code == 0, ended.err
    assert crowd.most_in_flight == 100
    assert crowd.answered != sorted(crowd.answered)
    attempts = attempts_of(files)
    assert len(attempts) >= 100
    for attempt in attempts:
        own = nonces[key_of(attempt["seed"] % 2**31, attempt["completion"]["messages"])]
        assert attempt["completion"]["prompt_tokens"] == own


@pytest.mark.fault(22)
def test_a_reply_that_comes_after_its_retry_changes_nothing(run_files):
    late, other = [], Writer(seed=9)

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        if not late:
            late.append(body)
            # As good as the one that the retry brings: nothing but its lateness keeps it out.
            return Reply.json({"query": other.query(body)}, delay_s=1.5, completion_tokens=999)
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.3)

    with serve(answer) as fake:
        recipe = {"rows": 8, "max_in_flight": 1}
        files = run_files(fake.base_url, {"timeout_s": 1.0}, recipe=recipe, targets=TEXT_ONLY)
        assert files.run().code == 0
        asked = generations(fake)
    assert asked[-1].at - asked[0].at > 1.5, "the late reply came while the run went on"
    assert asked[1].body == asked[0].body, "the retry"
    assert errors_of(files) == ["endpoint: no complete answer within 1 s"]
    assert len(files.rows()) == 8
    kept = [attempt["completion"] for attempt in attempts_of(files)]
    assert len(kept) == len(asked) - 1
    assert [each["text"] for each in kept if each["completion_tokens"] == 999] == []
