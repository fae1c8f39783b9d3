"""English articles for values that a grammar puts into a sentence."""

from __future__ import annotations

import re

_UNCOUNTABLE = frozenset(
    """art artwork audio bread bunting clipart clothing coffee confetti cotton cutlery denim food foliage footage fruit
    fur furniture glitter gold grass greenery ivy jewelry lace laundry lavender lightning marble moss motion music paper
    popcorn rain sand seaweed silk smoke snow steam sunlight sushi thunder traffic velvet water wheat wildlife wood
    wool""".split()
)
_IRREGULAR_PLURALS = frozenset("children feet fish geese men mice people sheep teeth women".split())
_HEAD_ENDS = frozenset(
    """above across against along and around at before behind below beside between by for from in inside into near of on
    over through to under with""".split()
)
# Nouns that look like participles: "kitchen string lights" is about lights.
_ING_NOUNS = frozenset(
    "building ceiling clothing evening icing king morning painting ring spring string swing thing wedding wing".split()
)
# By sound: "a unicorn", "a ukulele", "a ufo"; "an hour", "an heirloom", "an 8-bit hero".
_AN = re.compile(
    r"(?!eu|ewe|once|one|ufo|uk|uni(?![mn])|usb|use|usu|ute|uu|u[rst]i)[aeiou]|hour|honest|honor|heir|x-ray|8|1[18](?!\d)",
    re.IGNORECASE,
)
_DETERMINED = frozenset("a an any my our some that the this your".split())


def is_uncountable(text: str) -> bool:
    """Whether the head noun of ``text`` takes no indefinite article although it is no plural."""
    return _head_noun(text) in _UNCOUNTABLE


def is_plural(text: str) -> bool:
    """Whether the head noun of ``text`` looks like a plural."""
    head = _head_noun(text)
    return head in _IRREGULAR_PLURALS or (head.endswith("s") and not head.endswith(("ss", "us", "is")))


def _head_noun(text: str) -> str:
    """The word before the first preposition or participle, or the last word."""
    words = text.lower().split()
    ends = (i for i in range(1, len(words)) if words[i] in _HEAD_ENDS or _is_participle(words[i]))
    return words[next(ends, len(words)) - 1] if words else ""


def _is_participle(word: str) -> bool:
    return word.endswith("ing") and word not in _ING_NOUNS


def takes_an(word: str) -> bool:
    """Whether the article before ``word`` is "an"."""
    return _AN.match(word) is not None


def with_article(article: str | None, text: str) -> str:
    """``text`` with ``a`` or ``an`` when an article is asked for and its head noun takes one."""
    words = text.split()
    if not article or not words or words[0].lower() in _DETERMINED or words[0].isdigit():
        return text
    if is_plural(text) or is_uncountable(text):
        return text
    return f"{'an' if takes_an(text) else 'a'} {text}"


def tidy(text: str) -> str:
    """Collapse spaces, drop spaces before marks and a comma that begins the text, and an article after "a new"."""
    text = re.sub(r"\s+([,.?!])", r"\1", " ".join(text.split())).lstrip(", ")
    return re.sub(r"\b(a new|another) an? ", r"\1 ", text)
