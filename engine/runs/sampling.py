"""Run one sample through the graph and make its record, whatever happens to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from routenator.engine.errors import (
    AuthError,
    DeadEndError,
    InternalError,
    RouteNatorError,
    SampleError,
    WrongModelError,
)
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import Attempt, SampleKey, SampleRecord, Verdict
from routenator.engine.state import SampleOutcome, SampleState, start_state
from routenator.engine.traces.recording import SpanRecorder

Invoke = Callable[[SampleState], Awaitable[SampleOutcome]]


async def run_sample(key: SampleKey, invoke: Invoke, plan: Plan, recorder: SpanRecorder) -> SampleRecord:
    """Take ``key`` through the graph.

    Args:
        key: The slot and its round.
        invoke: Runs the compiled graph on a state.
        plan: Gives the stratum of a sample that failed before its first node ended.
        recorder: Collects the spans; it began with the sample.

    Raises:
        AuthError, WrongModelError: The sample errors that are not recorded: nothing can go on, and the slot's round is
            not used up.
    """
    start = start_state(key, recorder)
    end: SampleOutcome = start
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        end = await invoke(start)
        failure: SampleError | None = end["failure"]
    except SampleError as exc:
        failure = exc
    except RouteNatorError:
        raise
    except Exception as exc:
        failure = InternalError.at(exc)
    if isinstance(failure, AuthError | WrongModelError):
        raise failure
    attempts = end["attempts"]
    verdict, error_class, error = _conclude(end, attempts, failure)
    last = attempts[-1] if attempts else None
    return SampleRecord(
        key=key,
        verdict=verdict,
        stratum=end["stratum"] or plan.stratum(key.slot),
        started_at=started_at,
        duration_ms=recorder.elapsed_ms(),
        template=end["prompt"],
        grounding=end["grounding"],
        candidate=last.candidate if last else None,
        attempts=attempts,
        spans=recorder.spans,
        error_class=error_class,
        error=error,
    )


def _conclude(
    end: SampleOutcome, attempts: tuple[Attempt, ...], failure: SampleError | None
) -> tuple[Verdict, str | None, str | None]:
    """Verdict, error class and words."""
    if failure is not None:
        # A dead end is the pack's, not an endpoint's: trying the slot again is worth its round.
        verdict: Verdict = "rejected" if isinstance(failure, DeadEndError) else "failed"
        return verdict, failure.error_class, failure.what
    if end["decision"] == "accept":
        return "accepted", None, None
    critique = attempts[-1].critique if attempts else None
    finding = critique.findings[0] if critique and critique.findings else None
    return "rejected", finding.code if finding else "critique", finding.message if finding else None
