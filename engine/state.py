"""What flows through the graph: one sample in flight."""

from __future__ import annotations

from typing import TypedDict

from routenator.engine.errors import SampleError
from routenator.engine.sample import Attempt, Decision, Grounding, SampleKey, Stratum
from routenator.engine.traces.recording import SpanRecorder


class SampleOutcome(TypedDict):
    """What the graph gives back.

    Attributes:
        stratum: What the slot must become; set by ``route``.
        prompt: Name of the chosen prompt; set by ``route``.
        grounding: The walk and its content; set by ``walk``.
        attempts: Finished and current attempts, oldest first; the last one has no critique until ``critique`` ran.
        decision: What ``critique`` wants next.
        failure: Why no attempt can succeed (an endpoint is gone, an image is broken); ends the sample.
    """

    stratum: Stratum | None
    prompt: str | None
    grounding: Grounding | None
    attempts: tuple[Attempt, ...]
    decision: Decision | None
    failure: SampleError | None


class SampleState(SampleOutcome):
    """One sample in flight. `start_state` fills every key.

    Attributes:
        recorder: Collects the spans of this sample's nodes; the one thing in here that changes in place.
        tries: Attempts on the current grounding.
        regrounds: Groundings that were given up.
    """

    key: SampleKey
    recorder: SpanRecorder
    tries: int
    regrounds: int


class SampleUpdate(TypedDict, total=False):
    """What a node changes."""

    stratum: Stratum
    prompt: str
    grounding: Grounding
    attempts: tuple[Attempt, ...]
    tries: int
    regrounds: int
    decision: Decision
    failure: SampleError | None


def start_state(key: SampleKey, recorder: SpanRecorder) -> SampleState:
    """A sample before its first node."""
    return SampleState(
        key=key,
        recorder=recorder,
        stratum=None,
        prompt=None,
        grounding=None,
        attempts=(),
        tries=0,
        regrounds=0,
        decision=None,
        failure=None,
    )
