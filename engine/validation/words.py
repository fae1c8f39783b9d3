"""Words of a query: how they are counted, folded and compared.

Counting is by white space, because that is how the length targets count. Comparing is finer: hyphens and slashes part
words, case and outer punctuation do not matter, and simple English plurals equal their singulars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


def word_set(text: str) -> frozenset[str]:
    """The white-space words of ``text``."""
    return frozenset(text.split())


ARTICLES = word_set("a an the")
FUNCTION_WORDS = ARTICLES | word_set(
    """about above across after against along also am among and any are around as at be been before behind below
    between but by can could did do does down during each for from had has have he her here him his how i if in inside
    into is it its just like me my near no not of off on onto or our out outside over own per please she should so some
    such than that their them then there these they this those through to too under until up upon us very was we were
    what when where which while who whose why will with within without would you your"""
)
"""Words that carry no content of their own."""

_PARTS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SIBILANTS = ("s", "x", "z", "ch", "sh", "o")


@dataclass(frozen=True, slots=True)
class Part:
    """A folded word; ``position`` is the index of the token of `split_tokens` that it stands in."""

    text: str
    position: int


def split_tokens(text: str) -> list[str]:
    """White-space tokens that hold a letter or a digit: the words that length bands count."""
    return [token for token in text.split() if token.isalnum() or any(map(str.isalnum, token))]


def count_words(text: str) -> int:
    """Number of `split_tokens`."""
    return len(split_tokens(text))


def fold_parts(text: str) -> list[Part]:
    """Words for comparing: case-folded, without punctuation and possessive ``'s``, parted at hyphens and slashes."""
    return list(_fold(text))


def fold_words(text: str) -> list[str]:
    """Texts of `fold_parts`."""
    return list(_fold_texts(text))


@lru_cache(maxsize=4096)
def _fold_texts(text: str) -> tuple[str, ...]:
    return tuple(part.text for part in _fold(text))


# One critique folds the same query two dozen times.
@lru_cache(maxsize=4096)
def _fold(text: str) -> tuple[Part, ...]:
    parts = []
    for position, token in enumerate(split_tokens(text)):
        if token.isascii() and token.isalnum():  # nearly all of them, and one part each
            parts.append(Part(token.lower(), position))
            continue
        for match in _PARTS.finditer(token.casefold()):
            word = match[0].replace("’", "'")
            parts.append(Part(word.removesuffix("'s"), position))
    return tuple(parts)


@lru_cache(maxsize=65_536)
def forms(word: str) -> frozenset[str]:
    """``word`` (folded) with its simple English singulars and plurals; two words match if one is in the other's."""
    found = {word, word + "s"}
    if word.endswith(_SIBILANTS):
        found.add(word + "es")
    if word.endswith("y"):
        found.add(word[:-1] + "ies")
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found.add(word[:-1])
        if word.endswith("ies"):
            found.add(word[:-3] + "y")
        if word.endswith("es") and word[:-2].endswith(_SIBILANTS):
            found.add(word[:-2])
    return frozenset(found)


def all_forms(words: Iterable[str]) -> frozenset[str]:
    """Union of the `forms` of ``words``."""
    return frozenset().union(*map(forms, words))


@lru_cache(maxsize=1024)
def forms_in(texts: tuple[str, ...]) -> frozenset[str]:
    """`all_forms` of every word of ``texts``."""
    return all_forms(word for text in texts for word in fold_words(text))


def content_words(text: str) -> list[str]:
    """Folded words of ``text`` that are not function words, in order."""
    return [word for word in fold_words(text) if word not in FUNCTION_WORDS]
