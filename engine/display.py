"""Make text that a model or a pack wrote safe to show: on a terminal, in a table, in a log line."""

from __future__ import annotations

import re

# C0 and C1 controls but for tab and line feed, DEL, lone surrogates, bidirectional controls, zero-width and line
# separators: what moves a cursor, hides text or turns it round.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def has_unsafe_characters(text: str) -> bool:
    """Whether ``text`` holds control, bidirectional or surrogate code points."""
    return _UNSAFE.search(text) is not None


def show(text: str) -> str:
    r"""``text`` with every unsafe character as its escape (``\x1b``, ``\u202e``), so it is seen, not obeyed."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


def show_line(text: str, width: int | None = None) -> str:
    """`show` on one line, cut to ``width`` characters with an ellipsis."""
    line = show(" ".join(text.split()))
    return line if width is None or len(line) <= width else line[: width - 1] + "…"
