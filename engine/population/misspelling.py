"""How many queries hold a misspelt word, told from words that no dictionary has because they are rare.

A word that the dictionary does not know is a typo or a rare word. A typo lies one edit from a known word nearly always,
a rare word only by chance. Both chances are measured, for each length of word: the first by misspelling known words of
the sample, the second by hiding known words from the dictionary. Two counts, of unknown words and of unknown words
near a known one, then give the number of typos (the estimator of Rogan and Gladen, 1978, for a test with known error
rates). Short words are left out, since nearly everything is near some short word; typos are taken to be as frequent in
their letters as in those of the others.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from routenator.engine.sample import derive_seed
from routenator.engine.validation.words import fold_words, forms

SHORTEST_WORD = 5
"""Letters of the shortest word that is looked at."""

_LENGTH_CLASSES = ((5, 5), (6, 6), (7, 8), (9, 40))
_COMMON_ROWS = 3
_COMMON_SHARE = 0.001
_TRIALS = 600
_FEWEST_KNOWN = 20
_RESAMPLES = 400
_SUFFIXES = ("ing", "ed", "er", "est", "ly", "able", "ish", "ness", "y")


@dataclass(frozen=True, slots=True)
class MisspellingEstimate:
    """Share of queries with a misspelt word, with a 95 % bootstrap interval over queries.

    Attributes:
        share: 0 to 1.
        words: Words that were looked at: five letters or more, letters only, outside names.
        unknown: Of these, unknown to the dictionary.
        suspicious: Of the unknown, one edit from a known word.
        found: Share of the test's misspelt words that it calls suspicious.
        mistaken: Share of unknown but rightly spelt words that it calls suspicious, averaged over the unknown words.
    """

    share: float
    low: float
    high: float
    words: int
    unknown: int
    suspicious: int
    found: float
    mistaken: float


@dataclass(frozen=True)
class Speller:
    """A dictionary with simple English inflection. Words are folded: small letters only.

    Attributes:
        words: Common words: what a typo is likely to come from.
        rare: Known words that are no reason to take others for misspelt, such as names of places.
    """

    words: frozenset[str]
    rare: frozenset[str] = frozenset()

    @cached_property
    def _originals(self) -> Sequence[str]:
        """Words that follow from no other word: what a dictionary may lack."""
        return sorted(
            word
            for word in self.words
            if word.isascii() and word.isalpha() and len(word) >= SHORTEST_WORD and not self._is_derived(word)
        )

    def is_known(self, word: str) -> bool:
        """Whether the dictionary has the word, or words that it is derived from or put together of."""
        return word in self.words or word in self.rare or self._is_derived(word)

    def has_neighbour(self, word: str) -> bool:
        """Whether another word of the dictionary is one letter or one swap away."""
        return any(edit != word and edit in self.words for edit in _edits(word))

    def chance_neighbour(self, low: int, high: int) -> float:
        """Share of words of ``low`` to ``high`` letters that would be near a known word if they were not known."""
        hidden = [word for word in self._originals if low <= len(word) <= high]
        hidden = random.Random(derive_seed("hidden", low)).sample(hidden, min(_TRIALS, len(hidden)))
        near = sum(map(self.has_neighbour, hidden))
        return (near + 0.5) / (len(hidden) + 1)

    def _is_derived(self, word: str) -> bool:
        if any(form != word and form in self.words for form in forms(word)):
            return True
        for suffix in _SUFFIXES:
            stem = word.removesuffix(suffix)
            if len(stem) < 3 or stem == word:
                continue
            doubled = stem[:-1] if stem[-1] == stem[-2] else stem
            softened = stem[:-1] + "y" if stem[-1] == "i" else stem
            if not {stem, stem + "e", doubled, softened}.isdisjoint(self.words):
                return True
        return any(word[:at] in self.words and word[at:] in self.words for at in range(4, len(word) - 3))


def estimate_misspelling(
    texts: Sequence[tuple[str, Collection[str]]],
    dictionary: Collection[str],
    rare: Collection[str] = (),
    seed: int = 0,
) -> MisspellingEstimate | None:
    """Estimate the share of queries that hold a misspelt word outside names.

    Args:
        texts: Each query with the texts in it that are names and are not looked at.
        dictionary: Common words, folded: some ten thousands.
        rare: Further known words, folded, such as a pack's names.
        seed: Of the test and the bootstrap.

    Returns:
        ``None`` where the sample has too few known words to test with.
    """
    words_of = [list(_checkable(query, names)) for query, names in texts]
    rows_of_word = Counter(word for words in words_of for word in set(words))
    common = max(_COMMON_ROWS, _COMMON_SHARE * len(texts))
    frequent = {word for word, rows in rows_of_word.items() if rows >= common}
    speller = Speller(frozenset(dictionary) | frequent, frozenset(rare))
    known = {word: speller.is_known(word) for word in rows_of_word}
    near = {word: speller.has_neighbour(word) for word, is_known in known.items() if not is_known and _is_long(word)}
    classes = [_LengthClass.measure(speller, [w for w in known if known[w]], *span, seed) for span in _LENGTH_CLASSES]
    usable = [one for one in classes if one is not None]
    if not usable:
        return None
    counts = np.array([[_count(words, near, one) for one in usable] for words in words_of], dtype=np.float64)
    letters = np.array([[sum(map(len, words)), sum(len(w) for w in words if _is_long(w))] for words in words_of])
    hit = np.array([any(near.get(word, False) for word in words) for words in words_of], dtype=np.float64)

    def share(rows: np.ndarray) -> float:
        unknown, suspicious = counts[rows].sum(axis=0).T
        typos = sum(one.typos(u, f) for one, u, f in zip(usable, unknown, suspicious, strict=True))
        every, long = letters[rows].sum(axis=0)
        # Several typos in one query are one query.
        clustered = hit[rows].sum() / max(1.0, suspicious.sum())
        return float(np.clip(typos * every / max(1, long) * clustered / len(rows), 0, 1))

    rows = len(texts)
    generator = np.random.default_rng(seed)
    draws = [share(generator.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    unknown, suspicious = counts.sum(axis=(0, 1))
    weights = counts[:, :, 0].sum(axis=0) + 1e-9
    return MisspellingEstimate(
        share=share(np.arange(rows)),
        low=low,
        # Nothing seen in n rows: the rule of three.
        high=max(high, 3 / rows),
        words=sum(_is_long(word) for words in words_of for word in words),
        unknown=int(unknown),
        suspicious=int(suspicious),
        found=float(np.average([one.found for one in usable], weights=weights)),
        mistaken=float(np.average([one.mistaken for one in usable], weights=weights)),
    )


@dataclass(frozen=True, slots=True)
class _LengthClass:
    """Error rates of the test for words of ``low`` to ``high`` letters.

    Attributes:
        made_unknown: Share of typos that make a word that is not known.
        found: Share of typos that make an unknown word near a known one.
        mistaken: Share of rare words that are near a known one by chance.
    """

    low: int
    high: int
    made_unknown: float
    found: float
    mistaken: float

    @classmethod
    def measure(cls, speller: Speller, known: Iterable[str], low: int, high: int, seed: int) -> _LengthClass | None:
        """Misspell known words of the sample, and hide words of the dictionary; ``None`` with too few words."""
        words = sorted(word for word in known if low <= len(word) <= high)
        if len(words) < _FEWEST_KNOWN:
            return None
        generator = random.Random(derive_seed("misspell", seed, low))
        misspelt = [misspell(generator.choice(words), generator) for _ in range(_TRIALS)]
        unknown = [word for word in misspelt if not speller.is_known(word)]
        found = sum(map(speller.has_neighbour, unknown))
        return cls(low, high, len(unknown) / _TRIALS, found / _TRIALS, speller.chance_neighbour(low, high))

    def typos(self, unknown: float, suspicious: float) -> float:
        """Typos among so many unknown words, of which so many are suspicious. May be below 0."""
        return (suspicious - self.mistaken * unknown) / max(0.05, self.found - self.mistaken * self.made_unknown)


def misspell(word: str, generator: random.Random) -> str:
    """``word`` with one letter dropped, doubled, replaced or swapped with the next; the first letter stays."""
    at = generator.randrange(1, len(word))
    others = string.ascii_lowercase.replace(word[at], "")
    changed = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + generator.choice(others) + word[at + 1 :],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    )
    return generator.choice([text for text in changed if text != word])


def _checkable(query: str, names: Collection[str]) -> Iterator[str]:
    """Folded words of letters a to z only, outside ``names``."""
    named = {word for name in names for word in fold_words(name)}
    for word in fold_words(query):
        if word.isascii() and word.isalpha() and word not in named:
            yield word


def _is_long(word: str) -> bool:
    return len(word) >= SHORTEST_WORD


def _count(words: Iterable[str], near: Mapping[str, bool], one: _LengthClass) -> tuple[int, int]:
    unknown = [near[word] for word in words if word in near and one.low <= len(word) <= one.high]
    return len(unknown), sum(unknown)


def _edits(word: str) -> Iterator[str]:
    """Everything one deletion, swap, replacement or insertion away."""
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in string.ascii_lowercase:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]
