"""Several replies to one request: which one is taken, and what the trace keeps."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.bench import TEXT, Answer, Bench, good_query, open_bench, pass_everything
from fakes.endpoint import Reply

from routenator.engine.llm.pool import LlmPool
from routenator.engine.validation.fluency import FluencyCheck

OFF = '{"query": "quantum physics lecture icon"}'
"""Sound JSON; the rules refuse it."""


def bring(*choices: tuple[str | None, str], logprobs: tuple[float, ...] = ()) -> Answer:
    """An answer of several choices, as (text, finish reason); ``None`` is a query that the rules let pass."""

    def answer(body: dict[str, Any]) -> Reply:
        good = json.dumps({"query": good_query(body)})
        whole = Reply.text("", completion_tokens=30).body
        assert isinstance(whole, dict)
        whole["choices"] = [
            {"index": number, "message": {"role": "assistant", "content": text or good}, "finish_reason": reason}
            for number, (text, reason) in enumerate(choices)
        ]
        for choice, least in zip(whole["choices"], logprobs, strict=False):
            choice["logprobs"] = {"content": [{"logprob": -0.1}, {"logprob": least}]}
        return Reply(body=whole)

    return answer


@asynccontextmanager
async def open_choosing(cache: Path, answer: Answer, choices: int = 3, **rest: Any) -> AsyncIterator[Bench]:
    """`open_bench` with so many choices asked of every endpoint."""
    async with open_bench(cache, TEXT, answer, **rest) as bench:
        file = bench.deps.llm.endpoints
        endpoints = {
            name: endpoint.model_copy(update={"choices": choices}) for name, endpoint in file.endpoints.items()
        }
        pool = LlmPool(file.model_copy(update={"endpoints": endpoints}))
        critic = bench.deps.critic
        if critic.judge is not None:
            critic = replace(critic, judge=replace(critic.judge, pool=pool))
        try:
            yield replace(bench, deps=replace(bench.deps, llm=pool, critic=critic))
        finally:
            await pool.aclose()


async def test_first_choice_that_the_rules_let_pass_is_taken_and_all_are_kept(cache: Path) -> None:
    async with open_choosing(cache, bring((OFF, "stop"), (None, "stop"), (None, "stop"))) as bench:
        record = await bench.run()
    (attempt,) = record.attempts
    completion = attempt.completion
    assert record.verdict == "accepted"
    assert bench.writer.requests[0].body["n"] == 3
    assert completion is not None and attempt.candidate is not None
    assert json.loads(completion.text) == {"query": attempt.candidate.query}
    assert completion.choices[0] == OFF
    assert len(completion.choices) == 3
    assert completion.completion_tokens == 30


async def test_one_request_with_a_good_choice_saves_the_second_attempt(cache: Path) -> None:
    async with open_choosing(cache, bring(("no JSON", "stop"), (None, "stop"))) as bench:
        record = await bench.run()
    assert (record.verdict, len(bench.writer.requests)) == ("accepted", 1)


async def test_where_no_choice_passes_the_first_that_can_be_read_goes_to_the_critique(cache: Path) -> None:
    answer = bring(("{no", "stop"), (OFF, "stop"), (OFF.replace("lecture", "seminar"), "stop"))
    async with open_choosing(cache, answer, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    (attempt,) = record.attempts
    assert attempt.candidate is not None and attempt.completion is not None
    assert attempt.completion.text == OFF
    assert attempt.critique is not None and attempt.critique.findings


async def test_where_no_choice_can_be_read_the_first_ones_fault_is_told(cache: Path) -> None:
    answer = bring(("words", "stop"), ("{no", "stop"))
    async with open_choosing(cache, answer, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    (attempt,) = record.attempts
    assert (attempt.error_class, attempt.candidate) == ("parse", None)
    assert attempt.completion is not None
    assert attempt.completion.choices == ("words", "{no")


@pytest.mark.fault(17)
async def test_choice_that_was_cut_off_is_not_taken_while_another_is_whole(cache: Path) -> None:
    # The cut one could be read and would pass: servers close what a grammar left open.
    async with open_choosing(cache, bring((None, "length"), (OFF, "stop"), (None, "stop"))) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert (record.verdict, completion.finish_reason) == ("accepted", "stop")


@pytest.mark.fault(17)
async def test_choice_that_was_cut_off_is_not_taken_even_before_one_that_the_rules_refuse(cache: Path) -> None:
    answer = bring((None, "length"), (OFF, "stop"))
    async with open_choosing(cache, answer, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert completion.text == OFF


@pytest.mark.fault(17)
async def test_where_every_choice_was_cut_off_the_attempt_is_truncated(cache: Path) -> None:
    answer = bring((None, "length"), (None, "length"))
    async with open_choosing(cache, answer, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    assert record.attempts[0].error_class == "truncated"


async def test_finish_reason_and_least_logprob_are_the_chosen_ones(cache: Path) -> None:
    answer = bring((OFF, "stop"), (None, "eos"), logprobs=(-9.0, -2.0))
    async with open_choosing(cache, answer) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert (completion.finish_reason, completion.min_logprob) == ("eos", -2.0)


async def test_choice_with_an_unlikely_word_is_passed_over(cache: Path) -> None:
    answer = bring((None, "eos"), (None, "stop"), logprobs=(-9.0, -2.0))
    async with open_choosing(cache, answer) as bench:
        critic = replace(bench.deps.critic, fluency=FluencyCheck(min_logprob=-5.0, words=None))
        record = await replace(bench, deps=replace(bench.deps, critic=critic)).run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert (record.verdict, len(record.attempts), completion.finish_reason) == ("accepted", 1, "stop")


async def test_server_that_knows_no_n_sends_one_choice_and_that_is_taken(cache: Path) -> None:
    async with open_choosing(cache, bring((None, "stop"))) as bench:
        record = await bench.run()
    completion = record.attempts[0].completion
    assert completion is not None
    assert (record.verdict, completion.choices) == ("accepted", ())


async def test_judge_is_asked_for_one_choice(cache: Path) -> None:
    async with open_choosing(cache, bring((None, "stop")), judge_answer=pass_everything) as bench:
        await bench.run()
    assert bench.judge.requests
    assert all("n" not in request.body for request in bench.judge.requests)
