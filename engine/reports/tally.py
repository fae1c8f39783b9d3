"""One pass over the accepted rows: everything in the report that looks at queries."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

from routenator.engine.datasets.near_duplicates import fold_query
from routenator.engine.reports.distribution import PlannedTable, Values
from routenator.engine.reports.report import Diversity, LengthSummary
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, SampleKey, derive_seed

MEASURED_AXES = ("length", "phrasing", "keyword_position", "casing")
"""Axes whose value can be read off a query."""

OUTSIDE = "other"
"""A length that lies in no band of the targets."""

_EXAMPLES = 30
_NGRAM_SLOTS = 50_000


class TableTally:
    """Accepted rows over the cells of one table.

    Attributes:
        delivered: Rows by the cell of their slot's stratum.
        measured: Rows by the cell that their queries measure as; empty when the table has no measured axis.
        agreeing: Rows that measure as their stratum says.
    """

    def __init__(self, table: PlannedTable, measurable: Sequence[str] = MEASURED_AXES) -> None:
        self.table = table
        self.is_measured = any(axis in measurable for axis in table.axes)
        self.delivered: Counter[Values] = Counter()
        self.measured: Counter[Values] = Counter()
        self.agreeing = 0

    def add(self, stratum: Mapping[str, str], measured: Mapping[str, str], rows: int) -> None:
        """Count ``rows`` rows of ``stratum``; ``measured`` holds their values on the measurable axes."""
        cell = tuple(stratum[axis] for axis in self.table.axes)
        self.delivered[cell] += rows
        if self.is_measured:
            seen = tuple(measured.get(axis, value) for axis, value in zip(self.table.axes, cell, strict=True))
            self.measured[seen] += rows
            self.agreeing += rows * (seen == cell)


class LengthBands:
    """Length bands of the targets; a number of words may lie in several."""

    def __init__(self, tables: Sequence[PlannedTable]) -> None:
        names = {
            cell[table.axes.index("length")] for table in tables if "length" in table.axes for cell in table.shares
        } - {ANY}
        self._bands = {name: parse_length_band(name) for name in sorted(names, key=parse_length_band)}

    def band_of(self, words: int, wanted: str) -> str:
        """``wanted`` if it holds ``words``, otherwise the first band that does, otherwise `OUTSIDE`."""
        for name in (wanted, *self._bands):
            if name in self._bands and self._bands[name][0] <= words <= self._bands[name][1]:
                return name
        return OUTSIDE


class LengthTally:
    """Words by function."""

    def __init__(self) -> None:
        self._words: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, function: str, words: int) -> None:
        """Count one query."""
        self._words[function][words] += 1

    def merge(self, other: LengthTally) -> None:
        """Count what ``other`` has counted."""
        for function, words in other._words.items():
            self._words[function].update(words)

    def summaries(self) -> tuple[LengthSummary, ...]:
        """One for each function, the most frequent first."""
        by_rows = sorted(self._words.items(), key=lambda item: (-item[1].total(), item[0]))
        return tuple(_summarise(function, words) for function, words in by_rows)


def _summarise(function: str, words: Counter[int]) -> LengthSummary:
    lengths = sorted(words)
    every_length = np.repeat(lengths, [words[length] for length in lengths])
    first, median, third = np.quantile(every_length, [0.25, 0.5, 0.75]).tolist()
    rows_by_words = {length: words[length] for length in lengths}
    return LengthSummary(function, words.total(), lengths[0], first, median, third, lengths[-1], rows_by_words)


class DiversityTally:
    """Unique queries, and distinct word n-grams. Hashes are kept, not texts: 8 bytes for each query."""

    def __init__(self) -> None:
        self._queries = array("Q")
        self._ngram_rows = 0
        self._ngrams: dict[int, set[int]] = {1: set(), 2: set(), 3: set()}
        self._totals: Counter[int] = Counter()

    def add(self, slot: int, query: str) -> None:
        """Count the query of ``slot``."""
        folded = fold_query(query)
        if slot < _NGRAM_SLOTS:
            self._ngram_rows += 1
            words = folded.split()
            for n, seen in self._ngrams.items():
                ngrams = [_hash(" ".join(words[start : start + n])) for start in range(len(words) - n + 1)]
                seen.update(ngrams)
                self._totals[n] += len(ngrams)
        self._queries.append(_hash(folded))

    def merge(self, other: DiversityTally) -> None:
        """Count what ``other`` has counted."""
        self._queries.extend(other._queries)
        self._ngram_rows += other._ngram_rows
        self._totals.update(other._totals)
        for n, seen in self._ngrams.items():
            seen |= other._ngrams[n]

    def result(self) -> Diversity:
        """The figures so far."""
        rows = len(self._queries)
        _, counts = np.unique(np.frombuffer(self._queries, dtype=np.uint64), return_counts=True)
        unique = int((counts == 1).sum())
        return Diversity(
            rows,
            unique / rows if rows else None,
            {n: len(seen) / self._totals[n] if self._totals[n] else None for n, seen in self._ngrams.items()},
            self._ngram_rows,
        )


def _hash(text: str) -> int:
    # The same in every process, unlike hash().
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class ExampleTally:
    """Thirty rows, drawn by a hash of their ids: the same run shows the same rows, whatever their order."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, SampleKey]] = []

    def add(self, key: SampleKey) -> None:
        """Consider one row."""
        entry = (-derive_seed("example", key.trace_id), key)
        if len(self._heap) < _EXAMPLES:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def merge(self, other: ExampleTally) -> None:
        """Consider the rows that ``other`` has considered."""
        for _, key in other._heap:
            self.add(key)

    def keys(self) -> tuple[SampleKey, ...]:
        """The rows that were drawn, in slot order."""
        return tuple(sorted(key for _, key in self._heap))
