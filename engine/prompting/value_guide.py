"""Rails for weak models where values are spoken: a pattern that holds them in a sentence's order, with words around.

A sentence of the pack's grammars lends its skeleton, which is how many words stand before, between and after the
values, and its grammar the words that may stand there; which of them, and in what order, is the model's choice. So the
length is right, no value is left out, repeated or changed, and nothing is said that is in no argument.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from routenator.engine.prompting.guide import LAST_WORD, WORD, escape_literal, repeat_pattern
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, Stratum


def guide_values(
    schema: dict[str, Any],
    stratum: Stratum,
    values: Sequence[str],
    gaps: Sequence[int],
    opening: str,
    words: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """``schema`` with a pattern for ``query``.

    Args:
        schema: Of the answer.
        stratum: Its length band bounds the words; its phrasing may ask for a question mark.
        values: In the order in which they are said.
        gaps: Words before the first value, between two, and after the last: one more than ``values``.
        opening: The first words, where the first gap has room for them.
        words: Those that may stand in gaps; none: any.
        seed: Which gaps may be a word longer or shorter.
    """
    pattern = build_value_pattern(stratum, values, gaps, opening, words, random.Random(seed))
    query = {**schema["properties"]["query"], "pattern": pattern}
    return {**schema, "properties": {**schema["properties"], "query": query}}


def build_value_pattern(
    stratum: Stratum,
    values: Sequence[str],
    gaps: Sequence[int],
    opening: str,
    words: Sequence[str],
    rng: random.Random,
) -> str:
    """Every match holds the values in order, and a length of the stratum's band."""
    # As length bands count: the "&" of a name is no word.
    spoken = sum(any(map(str.isalnum, token)) for value in values for token in value.split())
    low, high = (0, 999) if stratum.length == ANY else parse_length_band(stratum.length)
    bounds = _loosen(gaps, low - spoken, high - spoken, rng)
    lead = len(opening.split())
    if not 0 < lead <= bounds[0][1]:
        opening, lead = "", 0
    one_of = f"({'|'.join(map(escape_literal, words))})"
    word, last_word = (f"{one_of},?", one_of) if words else (WORD, LAST_WORD)
    least, most = bounds[0]
    parts = [
        f"{escape_literal(opening)} " if lead else "",
        repeat_pattern(f"{word} ", max(0, least - lead), most - lead),
    ]
    for place, value in enumerate(values):
        parts.append(escape_literal(value))
        least, most = bounds[place + 1]
        if place + 1 < len(values):
            parts.append(f"('s)?{repeat_pattern(f' {word}', least, most)} ")
    if bounds[-1][1]:
        tail = f"{repeat_pattern(f' {word}', max(0, bounds[-1][0] - 1), bounds[-1][1] - 1)} {last_word}"
        parts.append(f"('s)?({tail})?" if bounds[-1][0] == 0 else f"('s)?{tail}")
    mark = r"\?" if stratum.phrasing == "question" else ""
    return f"^{''.join(parts)}{mark}$"


def _loosen(gaps: Sequence[int], low: int, high: int, rng: random.Random) -> list[tuple[int, int]]:
    """Least and most words of each gap: one less and one more for as many of them as the whole length allows."""
    fitted = list(gaps)
    longest = fitted.index(max(fitted))
    # The sentence may count otherwise than the pattern: "9/10" is one word of it, and two values with a space between.
    while sum(fitted) > high and max(fitted) > 0:
        fitted[fitted.index(max(fitted))] -= 1
    fitted[longest] += max(0, low - sum(fitted))
    bounds = [(gap, gap) for gap in fitted]
    for place in rng.sample(range(len(gaps)), len(gaps)):
        if sum(most for _, most in bounds) < high:
            bounds[place] = (bounds[place][0], bounds[place][1] + 1)
        if bounds[place][0] > 0 and sum(least for least, _ in bounds) > low:
            bounds[place] = (bounds[place][0] - 1, bounds[place][1])
    return bounds
