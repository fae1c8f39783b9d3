"""Rails for weak models: a regular expression for the query that already holds the stratum's length and keyword.

Sent as ``pattern`` of the answer's JSON schema, it is enforced by servers with guided decoding (vLLM, llama.cpp) and
ignored by others; the critique checks every row either way.
"""

from __future__ import annotations

import random
import re
from typing import Any

from routenator.engine.routing.targets import parse_length_band, place_of_keyword
from routenator.engine.sample import ANY, Stratum

# Long enough for any word that people type; short enough that a babbling model cannot hide in one.
_WORD = r"[A-Za-z0-9'-]{1,14},?"
_LAST_WORD = r"[A-Za-z0-9'-]{2,14}"


def guide_schema(schema: dict[str, Any], stratum: Stratum, keyword: str, opening: str, seed: int) -> dict[str, Any]:
    """``schema`` with a pattern for ``query``, or as it is when the stratum does not say how long the query is."""
    if stratum.length == ANY:
        return schema
    pattern = build_pattern(stratum, keyword, opening, random.Random(seed))
    query = {**schema["properties"]["query"], "pattern": pattern}
    return {**schema, "properties": {**schema["properties"], "query": query}}


def build_pattern(stratum: Stratum, keyword: str, opening: str, rng: random.Random) -> str:
    """A pattern of ``opening``, free words and, unless its position is ``absent`` or ``any``, the keyword.

    The number of words is drawn inside the band, so that a run fills the band and not only its upper end; free words
    may then be one fewer or one more where the band has room.
    """
    low, high = parse_length_band(stratum.length)
    lead = opening.split()
    mark = r"\?" if stratum.phrasing == "question" else ""
    words = rng.randint(min(low, high), high)
    if stratum.keyword_position in ("start", "middle", "end") and keyword:
        named = keyword.split()
        before = _place(stratum.keyword_position, words, len(named), len(lead), rng)
        if before is not None:
            free_before = before - len(lead)
            free_after = words - before - len(named)
            slack = (max(0, free_after - (words - low)), free_after + (high - words))
            parts = [re.escape(opening) + " "] if lead else []
            if free_before:
                parts.append(f"({_WORD} ){{{free_before}}}")
            parts.append(" ".join(map(re.escape, named)))
            if free_after:
                least = max(1, min(slack[0], free_after))
                parts.append(f"( {_WORD}){{{least - 1},{free_after - 1}}} {_LAST_WORD}")
            return f"^{''.join(parts)}{mark}$".replace("\\ ", " ")
    least, most = max(1, low - len(lead)), max(1, high - len(lead))
    start = re.escape(opening).replace("\\ ", " ") + " " if lead else ""
    return f"^{start}({_WORD} ){{{least - 1},{most - 1}}}{_LAST_WORD}{mark}$"


def _place(position: str, words: int, named: int, lead: int, rng: random.Random) -> int | None:
    """Number of words before the keyword so that it stands at ``position``; ``None`` when no place is left."""
    places = [
        before
        for before in range(lead, words - named + 1)
        if place_of_keyword(before, before + named, words) == position
    ]
    return rng.choice(places) if places else None
