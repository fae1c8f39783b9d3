"""Rails for weak models: a regular expression for the query that already holds the stratum's length and keyword.

Sent as ``pattern`` of the answer's JSON schema, it is enforced by servers with guided decoding (vLLM, llama.cpp) and
ignored by others; the critique checks every row either way. The rails are as wide as they can be: a model that is
forced off what it would say writes nonsense.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from routenator.engine.routing.targets import KEYWORD_POSITIONS, parse_length_band, place_of_keyword
from routenator.engine.sample import ANY, Stratum

# Plain words: a model that is short of room for another word hides it behind a hyphen or runs two together.
WORD = r"[A-Za-z]{1,13}('s)?,?"
LAST_WORD = r"[A-Za-z]{2,13}"


def guide_schema(
    schema: dict[str, Any], stratum: Stratum, keywords: Sequence[str], opening: str, seed: int
) -> dict[str, Any]:
    """``schema`` with a pattern for ``query``, or as it is when the stratum does not say how long the query is."""
    if stratum.length == ANY:
        return schema
    pattern = build_pattern(stratum, keywords, opening, random.Random(seed))
    query = {**schema["properties"]["query"], "pattern": pattern}
    return {**schema, "properties": {**schema["properties"], "query": query}}


def has_room(stratum: Stratum, opening: str, with_keyword: bool) -> bool:
    """Whether a query of the stratum can begin with ``opening``: words are left, and a place for the keyword."""
    if stratum.length == ANY:
        return True
    return _leaves_room(stratum.length, stratum.keyword_position if with_keyword else "", len(opening.split()))


@lru_cache(maxsize=4096)
def _leaves_room(length: str, position: str, lead: int) -> bool:
    if position not in KEYWORD_POSITIONS[:3]:
        return lead < parse_length_band(length)[1]
    return bool(_lengths(length, position, lead, 1))


@lru_cache(maxsize=4096)
def _places(position: str, words: int, lead: int, size: int) -> tuple[int, ...]:
    """Where a keyword of ``size`` words may begin, in a query of ``words`` words whose first ``lead`` are fixed."""
    return tuple(
        place for place in range(lead, words - size + 1) if place_of_keyword(place, place + size, words) == position
    )


@lru_cache(maxsize=4096)
def _lengths(length: str, position: str, lead: int, size: int) -> tuple[int, ...]:
    """Words of a query of the band in which a keyword of ``size`` words has a place."""
    low, high = parse_length_band(length)
    return tuple(words for words in range(low, high + 1) if _places(position, words, lead, size))


def build_pattern(stratum: Stratum, keywords: Sequence[str], opening: str, rng: random.Random) -> str:
    """A pattern of ``opening``, free words and, if its position is asked for, one of ``keywords``.

    Every match has a length of the band. The keyword's place is right for a length that is drawn inside the band, so
    that a run fills the band and not only one end of it; matches may be a word or two longer or shorter than that, and
    then the keyword may stand a word off.
    """
    low, high = parse_length_band(stratum.length)
    lead = len(opening.split())
    start = f"{escape_literal(opening)} " if lead else ""
    mark = r"\?" if stratum.phrasing == "question" else ""
    if keywords and stratum.keyword_position in KEYWORD_POSITIONS[:3]:
        position = stratum.keyword_position
        fitting = [text for text in keywords if _lengths(stratum.length, position, lead, len(text.split()))]
        if fitting:
            size = len(rng.choice(fitting).split())
            words = rng.choice(_lengths(stratum.length, position, lead, size))
            places = list(_places(position, words, lead, size))
            # Before and after vary independently of each other: fewer places, until every sum is in the band.
            while low - places[0] > high - places[-1]:
                places.pop(rng.choice((0, -1)))
            least = max(low - places[0], words - places[-1] - 1) - size
            most = min(high - places[-1], words - places[0] + 1) - size
            named = "|".join(escape_literal(keyword) for keyword in keywords if len(keyword.split()) == size)
            before = repeat_pattern(f"{WORD} ", places[0] - lead, places[-1] - lead)
            return f"^{start}{before}({named}){_tail(max(0, least), most)}{mark}$"
    least, most = max(1, low - lead), max(1, high - lead)
    return f"^{start}{repeat_pattern(f'{WORD} ', least - 1, most - 1)}{LAST_WORD}{mark}$"


def _tail(least: int, most: int) -> str:
    """Words after the keyword, each behind a space; the last one without a comma."""
    if most == 0:
        return ""
    tail = f"{repeat_pattern(f' {WORD}', max(0, least - 1), most - 1)} {LAST_WORD}"
    return f"({tail})?" if least == 0 else tail


def repeat_pattern(part: str, least: int, most: int) -> str:
    """``part`` ``least`` to ``most`` times."""
    return "" if most == 0 else f"({part}){{{least},{most}}}"


def escape_literal(text: str) -> str:
    """``text`` as a pattern that matches just it; spaces and hyphens stay, for servers with simple grammars."""
    return re.escape(text).replace("\\ ", " ").replace("\\-", "-")
