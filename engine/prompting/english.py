"""English articles for values that a grammar puts into a sentence."""

from __future__ import annotations

import re

_UNCOUNTABLE = frozenset(
    """art bread bunting clothing coffee confetti cotton denim food foliage fruit fur furniture glitter gold grass
    greenery ivy jewelry lace laundry lavender lightning marble moss music paper popcorn rain sand seaweed silk smoke
    snow sushi steam sunlight thunder traffic velvet water wheat wildlife wood wool""".split()
)
_HEAD_ENDS = frozenset("and at by for from in inside of on over to under with".split())
_AN = re.compile(r"(?!eu|one|uni|use|usu|u[rst]i)[aeiou]|hour|honest|x-ray", re.IGNORECASE)
_DETERMINED = frozenset("a an any my our some that the this your".split())


def with_article(article: str | None, text: str) -> str:
    """``text`` with ``a`` or ``an`` when an article is asked for and its head noun takes one."""
    words = text.split()
    if not article or not words or words[0].lower() in _DETERMINED or words[0].isdigit():
        return text
    head = next((words[i - 1] for i in range(1, len(words)) if words[i] in _HEAD_ENDS), words[-1]).lower()
    is_plural = head.endswith("s") and not head.endswith(("ss", "us", "is"))
    if is_plural or head in _UNCOUNTABLE:
        return text
    return f"{'an' if _AN.match(text) else 'a'} {text}"
