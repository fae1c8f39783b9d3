"""What follows from a critique, by what has been tried already."""

from __future__ import annotations

from collections.abc import Sequence

from routenator.engine.config import CritiqueSettings
from routenator.engine.sample import Decision, Finding

GROUNDING_CODES = frozenset({"category_not_allowed", "function_not_allowed", "unfit"})
"""Findings that no wording can mend: the walk itself is wrong for the stratum."""


def decide(attempt: int, reground: int, settings: CritiqueSettings, findings: Sequence[Finding]) -> Decision:
    """What follows from ``findings``, by what has been tried already.

    Args:
        attempt: Attempts made on this grounding, the one just judged included (1 after the first).
        reground: Groundings drawn anew so far (0 on the first).
        settings: The recipe's limits.
        findings: Of the last critique; empty accepts.
    """
    if not findings:
        return "accept"
    hopeless = any(finding.code in GROUNDING_CODES for finding in findings)
    if attempt < settings.max_attempts and not hopeless:
        return "revise"
    return "reground" if reground < settings.max_regrounds else "reject"
