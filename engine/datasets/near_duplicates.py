"""Exact and near duplicates over a whole run.

Two rows are compared by their queries alone: the same query under two labels is worse for training than the same row
twice. What counts as the same:

* exact: equal after case, punctuation, white space and Unicode compatibility forms are folded away.
* near: Jaccard similarity of the character 4-gram sets is at least the threshold.

4-grams are strict on short queries, on purpose: ``cat icon`` and ``cats icon`` share 4 of 11, so they stay two rows, as
they are two queries that people type. At 0.9 a query needs about 140 characters before a change of one short word
makes no difference; a letter changed in the middle of 80 characters does not either.
"""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenator.engine.sample import SampleKey

_SHINGLE_LENGTH = 4
_MAX_PERMUTATIONS = 128
_MISS_PROBABILITY = 1e-3
_CACHED_SHINGLE_SETS = 8_192
_TEXTS_A_BLOCK = 4_096
_SEED = 1


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that repeats an earlier one.

    Attributes:
        key: The row to reject.
        duplicate_of: Trace id of the row that is kept.
        kind: ``exact`` or ``near``.
        similarity: Jaccard similarity of the two 4-gram sets; 1 for ``exact``.
    """

    key: SampleKey
    duplicate_of: str
    kind: Literal["exact", "near"]
    similarity: float


class _FoldTable(dict[int, str]):
    """Code point → what it folds to; filled as code points are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = unicodedata.category(character)[0] in "LMNS"
        self[code] = folded = character if kept else " "
        return folded


_FOLD = _FoldTable()


def fold_query(query: str) -> str:
    """``query`` without case, punctuation and extra white space; symbols such as emoji and ``+`` stay.

    A query of nothing but punctuation is itself.
    """
    text = query if query.isascii() else unicodedata.normalize("NFKC", query)
    return " ".join(text.casefold().translate(_FOLD).split()) or query


def shingles(folded: str) -> frozenset[str]:
    """Character 4-grams of a folded query, with a space before and after it."""
    padded = f" {folded} "
    return frozenset(
        padded[start : start + _SHINGLE_LENGTH] for start in range(max(1, len(padded) - _SHINGLE_LENGTH + 1))
    )


def find_duplicates(rows: Iterable[tuple[SampleKey, str]], near_threshold: float) -> list[Duplicate]:
    """Rows whose query repeats that of an earlier row.

    Rows are taken by round, then slot, whatever order they come in: a row of an earlier round is kept. A row is
    compared with kept rows only, so that a chain of small changes does not carry off all of its members.

    Args:
        rows: Key and query of every accepted row; read once, so that they need not be held.
        near_threshold: Jaccard similarity from which two queries are the same; 1 finds exact duplicates only.

    Returns:
        One entry for each row to reject, in order of round and slot. A pair at the threshold is missed with a
        probability of at most 0.1 %; the same rows always give the same answer.
    """
    # Keys as numbers and one folded text a row: a million rows must not be a million objects of each kind.
    slots, rounds, folded = array("q"), array("q"), []
    for key, query in rows:
        slots.append(key.slot)
        rounds.append(key.round)
        folded.append(fold_query(query))

    def key_of(index: int) -> SampleKey:
        return SampleKey(slots[index], rounds[index])

    first: dict[str, int] = {}
    duplicates: list[Duplicate] = []
    for index in np.lexsort((np.array(slots), np.array(rounds))).tolist():
        kept = first.setdefault(folded[index], index)
        if kept != index:
            duplicates.append(Duplicate(key_of(index), key_of(kept).trace_id, "exact", 1.0))
    del folded
    if near_threshold < 1:
        kept_indices = list(first.values())
        duplicates += [
            Duplicate(key_of(kept_indices[later]), key_of(kept_indices[earlier]).trace_id, "near", similarity)
            for later, earlier, similarity in _near_pairs(list(first), near_threshold)
        ]
        duplicates.sort(key=lambda duplicate: (duplicate.key.round, duplicate.key.slot))
    return duplicates


def _near_pairs(texts: list[str], threshold: float) -> Iterator[tuple[int, int, float]]:
    """(later, earlier kept, similarity) for each text that is near a kept one; the earliest kept one wins."""
    shingles_of = lru_cache(_CACHED_SHINGLE_SETS)(lambda index: shingles(texts[index]))
    kept_in: defaultdict[int, list[int]] = defaultdict(list)
    for index, groups in _collisions(texts, threshold):
        mine = shingles_of(index)
        for other in sorted({other for group in groups for other in kept_in[group]}):
            theirs = shingles_of(other)
            if min(len(mine), len(theirs)) < threshold * max(len(mine), len(theirs)):
                continue
            shared = len(mine & theirs)
            similarity = shared / (len(mine) + len(theirs) - shared)
            if similarity >= threshold:
                yield index, other, similarity
                break
        else:
            for group in groups:
                kept_in[group].append(index)


def _collisions(texts: list[str], threshold: float) -> Iterator[tuple[int, list[int]]]:
    """Texts in order with the buckets of locality-sensitive hashing that they share with others.

    The buckets are sorted arrays, which take a few bytes for each text and band.
    """
    bands, rows = band_shape(threshold)
    keys = _band_keys(texts, bands, rows)
    bucket_of = np.full((len(texts), bands), -1, dtype=np.int32)
    first_free = 0
    for band in range(bands):
        _, bucket, sizes = np.unique(keys[band], return_inverse=True, return_counts=True)
        shared = sizes[bucket] > 1
        bucket_of[shared, band] = bucket[shared] + first_free
        first_free += len(sizes)
    for index in np.flatnonzero((bucket_of >= 0).any(axis=1)).tolist():
        buckets = bucket_of[index]
        yield index, buckets[buckets >= 0].tolist()


def _band_keys(texts: list[str], bands: int, rows: int) -> NDArray[np.uint64]:
    """MinHash signatures, each band of ``rows`` minima hashed to one number: uint64, (bands, texts).

    Vectorised over texts. Two bands that are not equal and hash alike cost a comparison, no row.
    """
    # Odd factors make each permutation a bijection of the 32-bit numbers.
    generator = np.random.Generator(np.random.PCG64(_SEED))
    factors = generator.integers(0, 2**32, bands * rows, dtype=np.uint32) | np.uint32(1)
    offsets = generator.integers(0, 2**32, bands * rows, dtype=np.uint32)
    keys = np.zeros((bands, len(texts)), dtype=np.uint64)
    for begin in range(0, len(texts), _TEXTS_A_BLOCK):
        hashes, starts = _hash_shingles(texts[begin : begin + _TEXTS_A_BLOCK])
        block = keys[:, begin : begin + len(starts)]
        for number, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
            minima = np.minimum.reduceat(hashes * factor + offset, starts)
            block[number // rows] = _mix(block[number // rows] + minima)
    return keys


def _hash_shingles(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Hashes of the shingles of all ``texts``, one text after the other, and where each text's begin."""
    # A text shorter than a shingle is one shingle: it is filled up with a character that no other text holds.
    padded = [f" {text} ".ljust(_SHINGLE_LENGTH, "\x00") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    counts = lengths - _SHINGLE_LENGTH + 1
    starts = np.cumsum(counts) - counts
    # Windows that run from one text into the next are left out.
    places = np.arange(counts.sum()) + np.repeat(np.cumsum(lengths) - lengths - starts, counts)
    hashes = np.zeros(len(places), dtype=np.uint64)
    for step in range(_SHINGLE_LENGTH):
        hashes = _mix(hashes + codes[places + step])
    return hashes.astype(np.uint32), starts


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64: a bijection of the 64-bit numbers that leaves no pattern (Steele, Lea, Flood, OOPSLA 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def band_shape(threshold: float) -> tuple[int, int]:
    """Bands and rows a band for locality-sensitive hashing at ``threshold``.

    The most selective shape of at most 128 permutations that finds a pair at the threshold with 99.9 % probability,
    1 - (1 - threshold^rows)^bands (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4).
    """
    best = (_MAX_PERMUTATIONS, 1)
    for rows in range(1, _MAX_PERMUTATIONS + 1):
        bands = math.ceil(math.log(_MISS_PROBABILITY) / math.log1p(-(threshold**rows)))
        if bands * rows > _MAX_PERMUTATIONS:
            break
        best = (bands, rows)
    return best
