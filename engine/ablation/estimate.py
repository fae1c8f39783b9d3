"""How long an ablation takes: from the steps that are done, else from first guesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routenator.engine.ablation.folder import Record
from routenator.engine.ablation.steps import Kind, Step

FIRST_GUESS_S: Mapping[Kind, float] = {"generate": 1.0, "train": 4.0, "evaluate": 2.0}
"""Seconds of a row, an optimizer step, a query: a small model on one CPU core."""
START_S = 20.0
"""Seconds that a step takes to load what it needs, in a first guess."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of one step, and whether they rest on steps that were measured."""

    seconds: float
    measured: bool


def estimate_step(step: Step, steps: Iterable[Step], records: Mapping[str, Record]) -> Estimate:
    """How long ``step`` takes: as steps of its kind and arm did, else as those of its kind, else a first guess.

    What rows cost depends on the arm: a grammar's are free. So another arm's speed only raises the first guess of rows.
    Only steps that ended in one go count: of others it is not known what they had spent before a kill.
    """
    whole = [
        (other.arm, record.seconds, record.size)
        for other in steps
        if other.kind == step.kind
        and (record := records.get(other.name)) is not None
        and record.finished
        and record.starts == 1
    ]
    ours = [found for found in whole if found[0] == step.arm]
    found = ours or whole
    guess_s = START_S + FIRST_GUESS_S[step.kind] * step.size
    if not found:
        return Estimate(guess_s, measured=False)
    seconds = sum(f[1] for f in found) / sum(f[2] for f in found) * step.size
    if step.kind == "generate" and not ours:
        return Estimate(max(guess_s, seconds), measured=False)
    return Estimate(seconds, measured=True)


def in_words(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
