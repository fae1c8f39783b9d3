"""Where the values of a query's arguments stand in it, and the words around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from routenator.engine.validation.words import fold_words

_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ", "'"))
_POSSESSIVE = re.compile(r"['’ʼ]s(?![^\W_])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """``query[start:stop]`` says ``value``, maybe in other letters of case."""

    start: int
    stop: int
    value: str


@dataclass(frozen=True, slots=True)
class Spans:
    """What `find_spans` found in ``query``.

    Attributes:
        places: Argument → the span of its value, none over another. Of a value that stands several times, the first.
        missing: Arguments whose value does not stand in the query.
        repeated: Arguments whose value stands more often than there are arguments that have it.
    """

    query: str
    places: Mapping[str, Span]
    missing: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether every value stands in the query exactly once."""
        return not self.missing and not self.repeated

    def in_order(self) -> list[Span]:
        """The spans as they stand in the query."""
        return sorted(self.places.values(), key=lambda span: span.start)

    def words_between(self) -> list[list[str]]:
        """Folded words of each stretch of the query that lies between two values, before the first or after the last.

        A possessive ``'s`` behind a value is no word.
        """
        texts, end = [], 0
        for span in self.in_order():
            texts.append(self._text_after(end, span.start))
            end = span.stop
        texts.append(self._text_after(end, len(self.query)))
        return [fold_words(text) for text in texts]

    def _text_after(self, start: int, stop: int) -> str:
        text = self.query[start:stop]
        return _POSSESSIVE.sub("", text, count=1) if start and _POSSESSIVE.match(text) else text


def find_spans(query: str, values: Mapping[str, str]) -> Spans:
    """Find where each argument's value stands in ``query``.

    Case does not matter, nor whether an apostrophe is a typographic one. No letter or digit stands directly before or
    after a value; a possessive ``'s`` may. Longer values are placed first, so that "best" is not found in "Best Coast"
    where both are values. Arguments with the same value need as many places.

    Args:
        query: What the user would type.
        values: Argument → its value.
    """
    text = _Folded.of(query)
    arguments_of: dict[str, list[str]] = {}
    for argument, value in values.items():
        arguments_of.setdefault("".join(_fold(value)), []).append(argument)
    taken: list[tuple[int, int]] = []
    places: dict[str, Span] = {}
    missing: list[str] = []
    repeated: list[str] = []
    for value in sorted(arguments_of, key=len, reverse=True):
        arguments = arguments_of[value]
        found = list(text.find(value, taken))
        # All of them are blocked: what a shorter value says inside a repeated one is not said.
        taken += found
        for argument, (start, stop) in zip(arguments, found, strict=False):
            places[argument] = Span(start, stop, values[argument])
        missing += arguments[len(found) :]
        repeated += arguments if len(found) > len(arguments) else ()
    return Spans(query, places, tuple(missing), tuple(repeated))


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text for comparing; ``index`` maps where a character's folded form begins, and the end, to the character."""

    text: str
    index: Mapping[int, int]

    @classmethod
    def of(cls, text: str) -> _Folded:
        cells = _fold(text)
        starts = accumulate(map(len, cells), initial=0)
        return cls("".join(cells), {start: index for index, start in enumerate(starts)})

    def find(self, value: str, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Places of ``value`` (folded), in characters of the unfolded text, outside ``taken``; none over another."""
        at = self.text.find(value) if value else -1
        while at >= 0:
            end = at + len(value)
            if at in self.index and end in self.index and self._is_bounded(at, end):
                start, stop = self.index[at], self.index[end]
                if all(stop <= before or start >= after for before, after in taken):
                    yield start, stop
                    at = end - 1
            at = self.text.find(value, at + 1)

    def _is_bounded(self, start: int, stop: int) -> bool:
        if start and _is_word_character(self.text[start - 1]):
            return False
        after = self.text[stop : stop + 2]
        if after and _is_word_character(after[0]):
            return False
        # "don" is not said by "don't".
        contracted = len(after) == 2 and after[0] == "'" and _is_word_character(after[1])
        return not contracted or _POSSESSIVE.match(self.text, stop) is not None


def _fold(text: str) -> list[str]:
    """Each character for comparing. By way of the capital, so that whatever has the same capital is equal."""
    if text.isascii():  # nearly all of them
        return list(text.lower())
    return [character.upper().casefold() for character in text.translate(_APOSTROPHES)]


def _is_word_character(character: str) -> bool:
    """A letter or a digit, or a mark that combines with one."""
    return character.isalnum() or unicodedata.category(character).startswith("M")
