"""What text may stand in a pack: anything a person may write, but nothing that breaks a file or a database."""

from __future__ import annotations

import re

MAX_TEXT_CHARS = 2_000
"""Longest label, title, keyword or description: enough for a paragraph, too little to flood a prompt."""

NODE_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$")
"""Ids of nodes and of content items: they stand in traces, file names and commands."""

_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def find_text_problem(text: str) -> str | None:
    """What is wrong with a label, title or keyword, or ``None``.

    Invisible joiners and text direction marks are left in: some languages need them, and `display.show` escapes them.
    """
    if not text.strip():
        return "is empty"
    if match := _UNWRITABLE.search(text):
        return f"holds the control character or lone surrogate U+{ord(match[0]):04X}"
    if len(text) > MAX_TEXT_CHARS:
        return f"has {len(text):,} characters; the limit is {MAX_TEXT_CHARS:,}"
    return None
