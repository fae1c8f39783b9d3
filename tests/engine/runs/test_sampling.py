from types import SimpleNamespace

import pytest

from routenator.engine.errors import AuthError, DeadEndError, EndpointError, ImageError, RunError, WrongModelError
from routenator.engine.runs.sampling import run_sample
from routenator.engine.sample import Attempt, Candidate, Critique, Finding, SampleKey, Stratum
from routenator.engine.traces.recording import SpanRecorder

STRATUM = Stratum("text", "search", "image")
PLAN = SimpleNamespace(stratum=lambda slot: STRATUM)


async def end_with(**changes):
    async def invoke(state):
        return {**state, **changes}

    return await run_sample(SampleKey(3, 1), invoke, PLAN, SpanRecorder())


async def raise_in_graph(error):
    async def invoke(state):
        raise error

    return await run_sample(SampleKey(3, 1), invoke, PLAN, SpanRecorder())


def attempt(decision, *findings):
    return Attempt(0, 1, "text/plain", candidate=Candidate("a cat", {}), critique=Critique(decision, findings))


async def test_an_accepted_state_becomes_an_accepted_record():
    record = await end_with(attempts=(attempt("accept"),), decision="accept", stratum=STRATUM)
    assert (record.verdict, record.error_class, record.candidate.query) == ("accepted", None, "a cat")


async def test_a_rejected_record_is_classed_by_its_last_critiques_first_finding():
    findings = Finding("length", "too long", "rules"), Finding("phrasing", "a question", "rules")
    record = await end_with(attempts=(attempt("reject", *findings),), decision="reject", stratum=STRATUM)
    assert (record.verdict, record.error_class, record.error) == ("rejected", "length", "too long")


@pytest.mark.parametrize(
    ("error", "verdict", "error_class"),
    [
        (DeadEndError("no walk"), "rejected", "dead_end"),
        (EndpointError("status 500"), "failed", "endpoint"),
        (ImageError("too many pixels"), "failed", "image"),
    ],
)
async def test_a_samples_error_is_data_whether_raised_or_returned(error, verdict, error_class):
    for record in (await raise_in_graph(error), await end_with(failure=error, decision="reject")):
        assert (record.verdict, record.error_class, record.error) == (verdict, error_class, error.what)
        assert record.stratum == STRATUM


async def test_a_fault_of_ours_is_a_failed_sample_that_says_where():
    record = await raise_in_graph(OverflowError("too large"))
    assert (record.verdict, record.error_class) == ("failed", "internal")
    assert record.error.startswith("OverflowError: too large at sampling.py:")


async def test_an_error_of_the_run_stays_one():
    with pytest.raises(RunError, match="disk"):
        await raise_in_graph(RunError("the disk is full"))


@pytest.mark.parametrize("error", [AuthError("no"), WrongModelError("another answers")])
async def test_what_concerns_the_whole_run_is_not_recorded(error):
    with pytest.raises(type(error)):
        await raise_in_graph(error)
    with pytest.raises(type(error)):
        await end_with(failure=error, decision="reject")
