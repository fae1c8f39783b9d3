"""Measure what carries the critique: rules, consistency and judge, each on the same known pairs."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from routenator.engine.domain.pack import DomainPack
from routenator.engine.errors import SampleError
from routenator.engine.sample import derive_seed
from routenator.engine.validation.consistency import ConsistencyCheck
from routenator.engine.validation.judge import Judge
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.pairs import KINDS, Pair
from routenator.engine.validation.rules import check_rules

MAX_IN_FLIGHT = 4
_ONE_SIDED_95 = 1.645
_MIN_OF_EACH = 4


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a voter tells known-good rows from known-bad ones.

    Attributes:
        voter: ``rules``, ``rules+consistency`` or ``judge``.
        balanced_accuracy: Mean of sensitivity and specificity; 0.5 is chance.
        sensitivity: Share of the good rows that pass.
        specificity: Share of the bad rows that do not pass.
        per_kind: Kind of pair → share that is judged rightly.
        n: Pairs that were judged; fewer than were given where it was soon clear that the voter is too weak.
        threshold: Balanced accuracy from which the vote counts.
        votes: Whether the voter earned its vote.
        tokens: Prompt and completion tokens that were spent.
        duration_s: Wall time.
        error: Why nothing was measured, or ``None``.
    """

    voter: str
    balanced_accuracy: float
    sensitivity: float
    specificity: float
    per_kind: dict[str, float]
    n: int
    threshold: float
    votes: bool
    tokens: int = 0
    duration_s: float = 0.0
    error: str | None = None


async def measure_judge(
    judge: Judge, pairs: Sequence[Pair], threshold: float, seed: int = 0, max_in_flight: int = MAX_IN_FLIGHT
) -> Calibration:
    """Let the judge vote on ``pairs``, at most ``max_in_flight`` at once.

    Good and bad pairs alternate, and it stops as soon as the judge is below the threshold with 95 % confidence: a weak
    model on a CPU needs a second or more for every vote. An endpoint that cannot answer earns no vote; its words are in
    ``error``.
    """
    started = time.monotonic()
    tokens = 0
    votes: list[tuple[Pair, bool]] = []
    error: str | None = None

    async def vote(number: int, pair: Pair) -> tuple[bool, int]:
        judgement = await judge.judge(pair.candidate, pair.stratum, pair.grounding, derive_seed(seed, "judge", number))
        spent = sum(reply.prompt_tokens + reply.completion_tokens for reply in judgement.completions)
        return not judgement.findings, spent

    try:
        ordered = _alternate(pairs)
        for start in range(0, len(ordered), max_in_flight):
            block = ordered[start : start + max_in_flight]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(vote(start + i, pair)) for i, pair in enumerate(block)]
            for pair, task in zip(block, tasks, strict=True):
                passed, spent = task.result()
                votes.append((pair, passed))
                tokens += spent
            if _upper_bound(votes) < threshold:
                break
    except* SampleError as group_error:
        error = str(group_error.exceptions[0])
    return _summarise("judge", votes, threshold, tokens, time.monotonic() - started, error)


def measure_rules(pairs: Sequence[Pair], pack: DomainPack, lexicon: Lexicon, threshold: float) -> Calibration:
    """Let the rules vote alone."""
    started = time.monotonic()
    votes = [(pair, _pass_rules(pair, pack, lexicon)) for pair in pairs]
    return _summarise("rules", votes, threshold, 0, time.monotonic() - started, None)


async def measure_rules_and_consistency(
    pairs: Sequence[Pair], pack: DomainPack, lexicon: Lexicon, check: ConsistencyCheck, threshold: float
) -> Calibration:
    """Let rules and consistency vote as the critique does without a judge: both must pass."""
    started = time.monotonic()

    async def passes(pair: Pair) -> bool:
        return _pass_rules(pair, pack, lexicon) and not (await check.check(pair.candidate, pair.grounding))[1]

    votes = list(zip(pairs, await asyncio.gather(*map(passes, pairs)), strict=True))
    return _summarise("rules+consistency", votes, threshold, 0, time.monotonic() - started, None)


def _pass_rules(pair: Pair, pack: DomainPack, lexicon: Lexicon) -> bool:
    return not check_rules(pair.candidate, pair.stratum, pair.grounding, pack, lexicon)


def _summarise(
    voter: str,
    votes: Sequence[tuple[Pair, bool]],
    threshold: float,
    tokens: int,
    duration_s: float,
    error: str | None,
) -> Calibration:
    balanced, sensitivity, specificity = _rates(votes)
    seen = Counter(pair.kind for pair, _ in votes)
    right = Counter(pair.kind for pair, passed in votes if passed == pair.good)
    return Calibration(
        voter=voter,
        balanced_accuracy=balanced,
        sensitivity=sensitivity,
        specificity=specificity,
        per_kind={kind: right[kind] / seen[kind] for kind in KINDS if seen[kind]},
        n=len(votes),
        threshold=threshold,
        votes=error is None and balanced >= threshold,
        tokens=tokens,
        duration_s=duration_s,
        error=error,
    )


def _alternate(pairs: Sequence[Pair]) -> list[Pair]:
    """Good and bad in turn for as long as both last, then the rest."""
    good = [pair for pair in pairs if pair.good]
    bad = [pair for pair in pairs if not pair.good]
    mixed = [pair for couple in zip(good, bad, strict=False) for pair in couple]
    return [*mixed, *good[len(bad) :], *bad[len(good) :]]


def _upper_bound(votes: Sequence[tuple[Pair, bool]]) -> float:
    """One-sided 95 % upper bound of the balanced accuracy, with one vote of each kind added; 1 before there are enough.

    Source:
        Agresti and Coull (1998), shares of few trials; the two shares' variances add.
    """
    good = [passed for pair, passed in votes if pair.good]
    bad = [not passed for pair, passed in votes if not pair.good]
    if min(len(good), len(bad)) < _MIN_OF_EACH:
        return 1.0
    shares = [((sum(right) + 1) / (len(right) + 2), len(right) + 2) for right in (good, bad)]
    variance = sum(share * (1 - share) / n for share, n in shares) / 4
    return sum(share for share, _ in shares) / 2 + _ONE_SIDED_95 * math.sqrt(variance)


def _rates(votes: Sequence[tuple[Pair, bool]]) -> tuple[float, float, float]:
    """Balanced accuracy, sensitivity and specificity; 0 where there is nothing to count."""
    good = [passed for pair, passed in votes if pair.good]
    bad = [not passed for pair, passed in votes if not pair.good]
    if not good or not bad:
        return 0.0, 0.0, 0.0
    sensitivity, specificity = sum(good) / len(good), sum(bad) / len(bad)
    return (sensitivity + specificity) / 2, sensitivity, specificity
