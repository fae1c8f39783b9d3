"""Whole runs, and thousands of calls, through a network that misbehaves."""

import asyncio
import random
import signal
import time

import pytest
from fakes.chaos_proxy import ChaosProxy, Toxic, proxy_in_thread
from fakes.endpoint import HANG_UP, FakeEndpoint, Reply, serve_in_thread, serve_replicas
from fakes.pool import ask, open_pool
from fakes.run_files import finish
from fakes.writer import Writer, facts_of

from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.sample import SampleKey

WRITER = Writer()
TEXT_ONLY = {"route": {"text": 1.0}}


def generations(fake):
    return [request for request in list(fake.requests) if facts_of(request.body)]


def errors_of(files):
    """Errors of the requests behind every row, from its trace."""
    with LedgerReader(files.run_dir) as reader:
        traces = [reader.trace(SampleKey(row["slot"], row["round"])) for row in reader.samples()]
    completions = [attempt["completion"] for trace in traces for attempt in trace["attempts"]]
    return [request["error"] for each in completions if each for request in each["requests"] if request["error"]]


SPOILT = {
    "reset": Toxic("reset_peer", timeout=30, toxicity=0.4),
    "cut body": Toxic("limit_data", bytes=250, toxicity=0.4),
    "no headers": Toxic("timeout", toxicity=0.3),
    "drip": Toxic("slicer", average_size=10, delay=500_000, toxicity=0.3),
}


@pytest.mark.fault(2)
@pytest.mark.fault(4)
@pytest.mark.fault(5)
@pytest.mark.fault(6)
@pytest.mark.parametrize("kind", SPOILT)
def test_a_run_delivers_every_row_through_a_spoilt_network(run_files, kind):
    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        proxy.spoil()
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.05)

    class Proxy(ChaosProxy):
        """Spoils nothing before the first row: what is checked at the start is not what is tested here."""

        def spoil(self):
            if SPOILT[kind] not in self._toxics:
                self.add(SPOILT[kind])

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        proxy = Proxy(fake.port, seed=5)
        with proxy_in_thread(proxy):
            files = run_files(
                proxy.base_url, {"timeout_s": 1.5, "max_retries": 8}, recipe={"rows": 12, "max_rounds": 8},
                targets=TEXT_ONLY,
            )  # fmt: skip
            ended = files.run()
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 12
    assert errors_of(files), f"seed {proxy.seed}: nothing was spoilt"


@pytest.mark.fault(3)
def test_a_server_that_hangs_up_on_kept_connections_costs_a_run_no_attempt(run_files):
    asked = []

    def answer(body):
        if facts_of(body) is None:
            return WRITER.answer(body)
        asked.append(body)
        return HANG_UP if len(asked) % 3 == 0 else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 12, "max_in_flight": 1}
        files = run_files(fake.base_url, {"max_retries": 0}, recipe=recipe, targets=TEXT_ONLY)
        ended = files.run()
    assert ended.code == 0, ended.err
    assert files.query("SELECT count(*) FROM sample WHERE verdict = 'failed'") == [(0,)]


@pytest.mark.fault(13)
def test_a_payload_that_always_gives_500_is_left_open_after_bounded_attempts(run_files):
    poison = []

    def answer(body):
        facts = facts_of(body)
        if facts is None:
            return WRITER.answer(body)
        if not poison:
            poison.append(facts["labels"])
        return Reply.status(500, "kaboom") if facts["labels"] == poison[0] else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 16, "max_rounds": 1, "max_in_flight": 4}
        files = run_files(fake.base_url, {"max_retries": 1}, recipe=recipe, targets=TEXT_ONLY)
        ended = files.run()
    poisoned = [r for r in generations(fake) if facts_of(r.body)["labels"] == poison[0]]
    failed = files.query("SELECT slot, round, error FROM sample WHERE verdict = 'failed'")
    assert failed and all("kaboom" in error for _, _, error in failed)
    assert {round for _, round, _ in failed} <= {0, 1}
    assert len(poisoned) <= 2 * len(failed) + 2, "two requests a round"
    assert ended.code in (0, 1), ended.err
    assert files.query("SELECT count(DISTINCT slot) FROM sample") == [(16,)]


@pytest.mark.fault(21)
async def test_a_thousand_replies_out_of_order_are_never_cross_wired():
    rng = random.Random(21)

    def answer(body):
        return Reply.text(body["messages"][-1]["content"], delay_s=rng.uniform(0, 0.5))

    fakes = [FakeEndpoint(answer=answer) for _ in range(2)]
    async with serve_replicas(*fakes) as urls, open_pool(*urls, max_in_flight=1000, timeout_s=60) as pool:
        replies = await asyncio.gather(*(pool.complete("text", ask(f"nonce {n}")) for n in range(1000)))
    assert [reply.text for reply in replies] == [f"nonce {n}" for n in range(1000)]
    assert sum(fake.most_in_flight for fake in fakes) > 100


@pytest.mark.fault(22)
def test_a_reply_that_comes_after_its_retry_changes_nothing(run_files):
    late = []

    def answer(body):
        if facts_of(body) and not late:
            late.append(body)
            return Reply.json({"query": "the late reply"}, delay_s=1.5)
        if facts_of(body):
            return Reply.json({"query": WRITER.query(body)}, delay_s=0.3)
        return WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 8, "max_in_flight": 1}
        files = run_files(fake.base_url, {"timeout_s": 1.0}, recipe=recipe, targets=TEXT_ONLY)
        assert files.run().code == 0
    assert len(files.rows()) == 8
    assert files.query("SELECT count(*) FROM sample WHERE query = 'the late reply'") == [(0,)]
    assert errors_of(files) == ["endpoint: no complete answer within 1 s"]


@pytest.mark.fault(40)
def test_a_stopped_run_that_goes_on_asks_again_for_what_was_in_flight_and_no_more(run_files):
    def answer(body):
        return Reply.json({"query": WRITER.query(body)}, delay_s=0.2) if facts_of(body) else WRITER.answer(body)

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = {"rows": 60, "max_rounds": 8}
        files = run_files(fake.base_url, {"timeout_s": 1.0}, recipe=recipe, targets=TEXT_ONLY)
        child = files.start()
        while child.poll() is None and len(generations(fake)) < 15:
            time.sleep(0.01)
        child.send_signal(signal.SIGSTOP)
        time.sleep(4)
        child.send_signal(signal.SIGCONT)
        ended = finish(child)
    assert ended.code == 0, ended.err
    [(attempts,)] = files.query("SELECT sum(attempts) FROM sample")
    assert len(generations(fake)) <= attempts + 2 * 8, "no more than those in flight are asked for again"
    assert len(files.rows()) == 60
