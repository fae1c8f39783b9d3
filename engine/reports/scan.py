"""What a report needs of a run's samples, gathered in one pass. Parts of a run add up to the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from routenator.engine.ledger.schema import STRATUM_COLUMNS
from routenator.engine.reports.histogram import Histogram
from routenator.engine.reports.report import Tokens
from routenator.engine.reports.tally import DiversityTally, ExampleTally, LengthBands, LengthTally
from routenator.engine.sample import AXES, SampleKey
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.features import measure
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.words import count_words

_TOKEN_COLUMNS = ("prompt_tokens", "completion_tokens", "judge_prompt_tokens", "judge_completion_tokens")
SCANNED_COLUMNS = (
    *("slot", "round", "verdict", "query", "template", "error_class", "reasons", "attempts", "model", "node_ms"),
    *_TOKEN_COLUMNS,
    *STRATUM_COLUMNS,
)
"""Columns of a row that `Scan.add` takes."""

_ROUTE, _FUNCTION, _CATEGORY, _LANGUAGE, _LENGTH = map(
    AXES.index, ("route", "function", "category", "language", "length")
)

Stratum = tuple[str, ...]
"""Values of its axes, in their order."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What queries are measured by; ``lexicon`` is ``None`` where only lengths can be measured."""

    bands: LengthBands
    lexicon: Lexicon | None


@dataclass(frozen=True)
class Scan:
    """Counts over samples. Memory grows with the kinds of sample, and by 8 bytes for each accepted row.

    Attributes:
        kinds: Accepted rows by stratum and measured values: length band and, with a lexicon, phrasing and keyword
            position.
        lengths: Their words.
        diversity: Their variety.
        examples: Thirty of them.
        models: Accepted rows by the model that wrote them.
        ends: Samples by route, template, verdict and error class.
        passes: Attempts by route and template.
        attempts: Samples by attempts.
        reasons: Findings by route, template and ``source:code``.
        errors: Samples by stratum and error class, of those that have one.
        tokens: Sums of the four token columns.
        latencies: Node → time that each sample spent in it.
        damaged: Rows that are not what was written; they count nowhere else.
    """

    kinds: Counter[tuple[Stratum, tuple[str, ...]]] = field(default_factory=Counter)
    lengths: LengthTally = field(default_factory=LengthTally)
    diversity: DiversityTally = field(default_factory=DiversityTally)
    examples: ExampleTally = field(default_factory=ExampleTally)
    models: Counter[str] = field(default_factory=Counter)
    ends: Counter[tuple[str, str | None, str, str | None]] = field(default_factory=Counter)
    passes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str | None, str]] = field(default_factory=Counter)
    errors: Counter[tuple[Stratum, str]] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Histogram] = field(default_factory=dict)
    damaged: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Iterable[tuple[Any, ...] | None], yardstick: Yardstick) -> None:
        """Count rows of ``SCANNED_COLUMNS`` in the order of their keys; ``None`` stands for a damaged one."""
        durations: dict[str, list[float]] = {}
        last_accepted = -1
        sums = [0, 0, 0, 0]
        for row in rows:
            if row is None:
                self.damaged["rows"] += 1
                continue
            slot, round, verdict, query, template, error_class, reasons, attempts, model, node_ms = row[:10]
            stratum = row[14:]
            route = stratum[_ROUTE]
            self.ends[route, template, verdict, error_class] += 1
            self.passes[route, template] += attempts
            self.attempts[attempts] += 1
            for number, tokens in enumerate(row[10:14]):
                sums[number] += tokens
            if reasons != "[]":
                for reason in orjson.loads(reasons):
                    self.reasons[route, template, reason] += 1
            if error_class is not None:
                self.errors[stratum, error_class] += 1
            for node, ms in orjson.loads(node_ms).items():
                durations.setdefault(node, []).append(ms)
            if verdict == "accepted" and slot != last_accepted:
                last_accepted = slot
                self._add_accepted(SampleKey(slot, round), stratum, query, yardstick)
                self.models[model or "grammar, no model"] += 1
        self.tokens.update(dict(zip(_TOKEN_COLUMNS, sums, strict=True)))
        for node, values in durations.items():
            self.latencies.setdefault(node, Histogram()).add(values)

    def _add_accepted(self, key: SampleKey, stratum: Stratum, query: str, yardstick: Yardstick) -> None:
        measured: tuple[str, ...] = ()
        if yardstick.lexicon is None:
            words = count_words(query)
        else:
            features = measure(query, stratum[_LANGUAGE], stratum[_CATEGORY], yardstick.lexicon)
            words, measured = features.words, (features.phrasing, features.keyword_position, classify_casing(query))
        self.kinds[stratum, (yardstick.bands.band_of(words, stratum[_LENGTH]), *measured)] += 1
        self.lengths.add(stratum[_FUNCTION], words)
        self.diversity.add(key.slot, query)
        self.examples.add(key)

    def merge(self, other: Scan) -> None:
        """Count what ``other``, of later slots, has counted."""
        for name in ("kinds", "models", "ends", "passes", "attempts", "reasons", "errors", "tokens", "damaged"):
            getattr(self, name).update(getattr(other, name))
        self.lengths.merge(other.lengths)
        self.diversity.merge(other.diversity)
        self.examples.merge(other.examples)
        for node, histogram in other.latencies.items():
            self.latencies.setdefault(node, Histogram()).merge(histogram)

    def token_sums(self) -> Tokens:
        """Tokens over all samples."""
        return Tokens(*(self.tokens[name] for name in _TOKEN_COLUMNS))
