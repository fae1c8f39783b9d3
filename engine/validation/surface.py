"""How a query is dressed after it was written: its casing, and a typo."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from routenator.engine.sample import ANY, derive_seed
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.spans import Span
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words, forms

SHORTEST_MISSPELT = 5
"""Letters of the shortest word that is misspelt; `population.misspelling` looks at no shorter ones."""

_WEIGHTS = {"drop": 35, "swap": 25, "double": 20, "neighbour": 20}
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_WORD = re.compile(r"[^\W_]+(?:['’ʼ][^\W_]+)*")
_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Dressed:
    """A query as it is delivered, and each argument's value as it stands in it."""

    query: str
    values: Mapping[str, str]


def dress(
    query: str,
    spans: Mapping[str, Span],
    *,
    casing: str = ANY,
    noise: str = ANY,
    punctuation: str = ANY,
    mark: str = ".",
    seed: int = 0,
) -> Dressed:
    """Give ``query`` the casing and the noise of its stratum.

    Where a casing cannot be had, such as ``mixed`` without a capital in any value, the result is what is nearest. What
    is all capitals is first written small for ``sentence``, ``title`` and ``mixed``, and its values as their arguments
    have them.

    Args:
        query: As written.
        spans: Argument → where its value stands in ``query``; none over another.
        casing: One of `routing.targets.CASINGS`; ``any`` changes nothing.
        noise: ``typo``: one edit in one word outside the spans, if there is one long enough; otherwise nothing.
        punctuation: ``final``: the query ends with ``mark``; ``none``: with a word; ``any`` changes nothing.
        mark: ``.`` or, of a question, ``?``.
        seed: Same seed, same typo.
    """
    if casing == punctuation == ANY and noise != "typo":
        return Dressed(query, {name: query[span.start : span.stop] for name, span in spans.items()})
    draft = _Draft(query, dict(spans))
    if punctuation != ANY:
        draft = _end(draft, mark if punctuation == "final" else "")
    if noise == "typo":
        # Before the casing: a misspelt function word is none, so a title gives it a capital.
        draft = _misspell(draft, random.Random(derive_seed("typo", seed)))
    if casing in ("sentence", "title", "mixed") and classify_casing(query) == "upper":
        draft = _name_values(_lower(draft))
    if casing in _DRESSERS:
        draft = _DRESSERS[casing](draft)
    return Dressed(draft.query, {name: draft.query[span.start : span.stop] for name, span in draft.spans.items()})


@dataclass(frozen=True, slots=True)
class _Draft:
    query: str
    spans: Mapping[str, Span]

    def replace(self, start: int, stop: int, text: str) -> _Draft:
        """With ``text`` for ``query[start:stop]``, which is not empty and lies inside one span or outside all."""
        shift = len(text) - (stop - start)
        moved = {
            name: Span(span.start + shift * (span.start >= stop), span.stop + shift * (span.stop >= stop), span.value)
            for name, span in self.spans.items()
        }
        return _Draft(self.query[:start] + text + self.query[stop:], moved)

    def capitalise(self, at: int) -> _Draft:
        return self.replace(at, at + 1, self.query[at].title())

    def pieces(self) -> list[tuple[int, int]]:
        """The spans and what lies between them, last first, so that replacing one moves none of the others."""
        cuts = {0, len(self.query)} | {cut for span in self.spans.values() for cut in (span.start, span.stop)}
        return list(pairwise(sorted(cuts)))[::-1]


def _end(draft: _Draft, mark: str) -> _Draft:
    """With ``mark`` at its end in place of what stands there; a mark that belongs to a value stays, and is enough."""
    last = max((span.stop for span in draft.spans.values()), default=0)
    body = draft.query[:last] + draft.query[last:].rstrip(" ,;:.?!")
    return _Draft(body if body.endswith(mark) else body + mark, draft.spans)


def _lower(draft: _Draft) -> _Draft:
    for start, stop in draft.pieces():
        draft = draft.replace(start, stop, draft.query[start:stop].lower())
    return draft


def _upper(draft: _Draft) -> _Draft:
    for start, stop in draft.pieces():
        draft = draft.replace(start, stop, draft.query[start:stop].upper())
    return draft


def _name_values(draft: _Draft) -> _Draft:
    """The values as their arguments have them."""
    for name in draft.spans:
        span = draft.spans[name]
        draft = draft.replace(span.start, span.stop, span.value)
    return draft


def _sentence(draft: _Draft) -> _Draft:
    first = _first_letter(draft.query)
    return draft if first is None else draft.capitalise(first)


def _title(draft: _Draft) -> _Draft:
    tokens = [match for match in _TOKEN.finditer(draft.query) if any(map(str.isalnum, match[0]))]
    # Behind a number the first word is the first that can have a capital.
    first = next((index for index, token in enumerate(tokens) if any(map(str.isalpha, token[0]))), 0)
    for index in reversed(range(len(tokens))):
        token = tokens[index]
        is_inside = first < index < len(tokens) - 1
        if is_inside and all(word in FUNCTION_WORDS for word in fold_words(token[0])):
            continue
        at = next(at for at in range(token.start(), token.end()) if draft.query[at].isalnum())
        draft = draft.capitalise(at)
    return draft


def _mixed(draft: _Draft) -> _Draft:
    first = _first_letter(draft.query)
    if first is not None and not _is_own_capital(first, draft):
        draft = draft.replace(first, first + 1, draft.query[first].lower())
    # Names that were written small are where a capital can come from.
    return _name_values(draft) if classify_casing(draft.query) == "lower" else draft


def _is_own_capital(at: int, draft: _Draft) -> bool:
    """Whether the letter belongs to a value whose argument begins with a capital, whatever the sentence wants."""
    values = [span.value for span in draft.spans.values() if span.start <= at < span.stop]
    return any(not next(filter(str.isalpha, value), "").islower() for value in values)


_DRESSERS = {"lower": _lower, "sentence": _sentence, "title": _title, "upper": _upper, "mixed": _mixed}


def _first_letter(query: str) -> int | None:
    """Where the first letter stands; ``None`` without one, or where it belongs to a number: "80s"."""
    first = next((at for at, character in enumerate(query) if character.isalpha()), None)
    return None if first is None or query[first - 1 : first].isdigit() else first


def _misspell(draft: _Draft, generator: random.Random) -> _Draft:
    """With one edit in one word of letters outside the spans; as it is without such a word."""
    spans = draft.spans.values()
    spoken = FUNCTION_WORDS.union(*(fold_words(span.value) for span in spans))
    words = [
        match
        for match in _WORD.finditer(draft.query)
        if len(match[0]) >= SHORTEST_MISSPELT and match[0].isalpha()
        if all(match.end() <= span.start or span.stop <= match.start() for span in spans)
    ]
    for match in generator.sample(words, len(words)):
        if edits := _edits_of(match[0], spoken):
            kind = generator.choices(list(edits), [_WEIGHTS[kind] for kind in edits])[0]
            return draft.replace(match.start(), match.end(), generator.choice(edits[kind]))
    return draft


def _edits_of(word: str, others: Collection[str]) -> dict[str, list[str]]:
    """Misspellings of ``word`` by kind; none is a singular or plural of it, nor one of ``others`` (folded)."""
    correct = forms(word.casefold()).union(others)
    edits: dict[str, list[str]] = {}
    for kind, text in _edits(word):
        if text.casefold() not in correct:
            edits.setdefault(kind, []).append(text)
    return edits


def _edits(word: str) -> Iterator[tuple[str, str]]:
    """Every kind of edit at every letter but the first."""
    for at in range(1, len(word)):
        head, letter, tail = word[:at], word[at], word[at + 1 :]
        yield "drop", head + tail
        yield "double", head + letter + letter + tail
        if tail and tail[0] != letter:
            yield "swap", head + tail[0] + letter + tail[1:]
        for key in _NEIGHBOURS.get(letter.lower(), ""):
            yield "neighbour", head + (key.upper() if letter.isupper() else key) + tail


def _neighbours() -> dict[str, str]:
    """Letter → letters on the keys around its own on a QWERTY keyboard, whose rows are shifted by half a key."""
    places = {letter: (at + row / 2, row) for row, letters in enumerate(_ROWS) for at, letter in enumerate(letters)}
    return {
        letter: "".join(
            other for other, (u, v) in places.items() if other != letter and abs(u - x) <= 1 and abs(v - y) <= 1
        )
        for letter, (x, y) in places.items()
    }


_NEIGHBOURS = _neighbours()
