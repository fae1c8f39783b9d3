"""Whether real queries have found their way into synthetic rows, prompts or few-shot examples.

People who ask for the same thing use the same words, so what is shared proves nothing by itself. The measure is what
the real queries share with one another: a row may be as like to some real query as two people's queries are like each
other, and no more. What is shared by several real queries is an idiom and does not count at all.

No text of a real query is kept: matches are named by row and line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.stats import betabinom

from routenator.engine.datasets.near_duplicates import find_duplicates
from routenator.engine.sample import SampleKey
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

SPAN_WORDS = 5
"""Words of the shortest span that counts."""

NEAR = 0.8
"""Jaccard similarity of character 4-grams from which a query is nearly the same."""

_CONTENT_WORDS_OF_A_SPAN = 3
_CONTENT_WORDS_OF_A_QUERY = 4
_LONGEST_SPAN = 12
_LIKELY = 0.999
_NAMED_MATCHES = 20
_ROWS_A_COPY = 500
_QUERIES_A_COPY = 100
"""Rows, and real queries, for each copy that may be let pass where no two real queries are the same, so that they do
not tell what chance gives."""
_VARIANTS = 3
"""Other texts that are a query but for one run of words, from which it is a formula that anybody fills in."""


@dataclass(frozen=True, slots=True)
class Match:
    """One likeness. ``text`` names the row, example or prompt; ``line`` the real query's line; ``words`` the span's."""

    kind: str
    text: str
    line: int
    words: int


@dataclass(frozen=True, slots=True)
class LeakTest:
    """One count against what chance gives.

    Attributes:
        kind: ``same``, ``nearly the same``, or ``5 words or more in common`` and so on.
        found: Texts that are like a real query in this way.
        of: Texts.
        by_chance: Share of the real queries that are like another real query in this way.
        allowed: Most texts that chance explains, 999 times in 1,000, or that are let pass where it cannot be told.
        is_let_pass: Whether ``allowed`` is of the second kind.
    """

    kind: str
    found: int
    of: int
    by_chance: float
    allowed: int
    is_let_pass: bool

    @property
    def is_leak(self) -> bool:
        """More than chance explains."""
        return self.found > self.allowed


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """All tests on one set of texts: the run's rows, the few-shot examples, or the prompts."""

    source: str
    tests: tuple[LeakTest, ...]
    longest: int
    """Words of the longest span that a text has in common with one real query only; 0 without one."""
    matches: tuple[Match, ...]

    @property
    def is_leak(self) -> bool:
        """Whether any test says so."""
        return any(test.is_leak for test in self.tests)


class RealSpans:
    """The real queries' spans of five words, and which query each belongs to.

    Attributes:
        queries: (line, text) of each.
    """

    def __init__(self, queries: Sequence[tuple[int, str]], labels: Iterable[str] = ()) -> None:
        """Index the queries.

        Args:
            queries: Line and text of each.
            labels: Names that the pack knows from elsewhere, such as titles; spans inside one do not count.
        """
        self.queries = queries
        self._words = [tuple(fold_words(text)) for _, text in queries]
        self._named = {gram for label in labels for gram in _grams(fold_words(label))}
        self._owners: dict[tuple[str, ...], list[int]] = {}
        for number, words in enumerate(self._words):
            for gram in set(_grams(words)):
                if _counts(gram) and gram not in self._named:
                    self._owners.setdefault(gram, []).append(number)

    def words(self, number: int) -> tuple[str, ...]:
        """Folded words of a query."""
        return self._words[number]

    def longest_span(self, words: Sequence[str], own: int | None = None) -> tuple[int, int]:
        """Words of the longest span that ``words`` have in common with one real query only, and that query's number.

        Args:
            words: Folded words.
            own: Number of the query that ``words`` are, which does not count as another.
        """
        best, owner = (0, -1), -1
        run = 0
        for gram in _grams(words):
            others = [number for number in self._owners.get(gram, ()) if number != own]
            if len(others) != 1:
                owner, run = -1, 0
                continue
            run = run + 1 if others[0] == owner else 1
            owner = others[0]
            best = max(best, (run + SPAN_WORDS - 1, owner))
        return best

    @cached_property
    def own_spans(self) -> list[int]:
        """`longest_span` of every real query with the others."""
        return [self.longest_span(words, number)[0] for number, words in enumerate(self._words)]

    def is_telling(self, number: int) -> bool:
        """Whether two people would hardly write this query by chance: it is long enough, with words of its own."""
        words = self._words[number]
        return len(words) >= SPAN_WORDS and sum(w not in FUNCTION_WORDS for w in words) >= _CONTENT_WORDS_OF_A_QUERY


def check_leakage(source: str, texts: Mapping[str, str], real: RealSpans, *, is_strict: bool) -> LeakCheck:
    """Count what ``texts`` have in common with the real queries.

    Args:
        source: What the texts are.
        texts: Name → text.
        real: The real queries.
        is_strict: Whether what no two real queries have in common is a leak at once: for prompts and examples, which
            are few and chosen.
    """
    spans = {name: real.longest_span(fold_words(text)) for name, text in texts.items()}
    same, nearly, own_same, own_nearly = _likeness(texts, real)
    telling = sum(map(real.is_telling, range(len(real.queries))))
    counts = [("same", len(same), own_same, telling), ("nearly the same", len(nearly), own_nearly, telling)]
    for words in range(SPAN_WORDS, _LONGEST_SPAN + 1):
        found = sum(span >= words for span, _ in spans.values())
        own = sum(span >= words for span in real.own_spans)
        counts.append((f"{words} words or more in common", found, own, len(real.queries)))
    tests = []
    for kind, found, own, queries in counts:
        allowed = _most_by_chance(len(texts), own, queries)
        is_let_pass = own == 0 and kind == "same" and not is_strict
        if own == 0 and is_strict:
            allowed = 0
        elif is_let_pass:
            # Real queries with near copies but not one copy had theirs taken out. Without near copies it is the texts
            # that tell: who writes a query by chance writes its variants too.
            likely = found if own_nearly else _count_formulas([number for _, number in same], texts, real)
            allowed = min(likely, len(texts) // _ROWS_A_COPY, telling // _QUERIES_A_COPY)
        tests.append(LeakTest(kind, found, len(texts), own / max(1, queries), allowed, is_let_pass))
    matches = [Match("same", name, real.queries[number][0], 0) for name, number in same]
    matches += [Match("nearly the same", name, real.queries[number][0], 0) for name, number in nearly]
    longest_first = sorted(spans.items(), key=lambda item: -item[1][0])
    matches += [Match("span", name, real.queries[number][0], span) for name, (span, number) in longest_first if span]
    return LeakCheck(source, tuple(tests), longest_first[0][1][0] if spans else 0, tuple(matches[:_NAMED_MATCHES]))


def _most_by_chance(texts: int, own: int, queries: int) -> int:
    """The 99.9 % quantile of what ``texts`` show if they are as ``queries``, of which ``own`` show it.

    Beta-binomial, with Jeffreys' prior: the real queries are a sample too.
    """
    return int(betabinom.ppf(_LIKELY, texts, own + 0.5, max(0, queries - own) + 0.5))


def _count_formulas(numbers: Iterable[int], texts: Mapping[str, str], real: RealSpans) -> int:
    """How many of the real queries are formulas: the texts have them with other words in one place, several times."""
    said = {tuple(fold_words(text)) for text in texts.values()}
    return sum(sum(_is_variant(real.words(number), words) for words in said) >= _VARIANTS for number in numbers)


def _is_variant(query: Sequence[str], words: Sequence[str]) -> bool:
    """Whether ``words`` are ``query`` but for one run of words, at most half of it; the query itself is none."""
    if query == words:
        return False
    shortest = min(len(query), len(words))
    start = next((n for n in range(shortest) if query[n] != words[n]), shortest)
    end = next((n for n in range(shortest - start) if query[-1 - n] != words[-1 - n]), shortest - start)
    return 2 * (start + end) >= max(len(query), len(words))


def _likeness(
    texts: Mapping[str, str], real: RealSpans
) -> tuple[list[tuple[str, int]], list[tuple[str, int]], int, int]:
    """Texts that are a real query or nearly one, as (name, number); and how many real queries are like another one."""
    names = list(texts)
    rows = [(SampleKey(number), text) for number, (_, text) in enumerate(real.queries)]
    # The real ones are of an earlier round, so they are what the others are found to repeat.
    rows += [(SampleKey(slot, 1), texts[name]) for slot, name in enumerate(names)]
    same: list[tuple[str, int]] = []
    nearly: list[tuple[str, int]] = []
    own = Counter[str]()
    for found in find_duplicates(rows, NEAR):
        slot, _, round_number = found.duplicate_of.partition(".")
        if round_number != "0" or not real.is_telling(int(slot)):
            continue
        if found.key.round == 0:
            own[found.kind] += 2  # both of the pair have another
        else:
            (same if found.kind == "exact" else nearly).append((names[found.key.slot], int(slot)))
    return same, nearly, own["exact"], own["near"]


def _grams(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + SPAN_WORDS]) for start in range(len(words) - SPAN_WORDS + 1)]


def _counts(gram: tuple[str, ...]) -> bool:
    """Whether a span says anything: function words alone are everybody's."""
    return sum(word not in FUNCTION_WORDS for word in gram) >= _CONTENT_WORDS_OF_A_SPAN
