"""Rows whose function is not among those that a model is told of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from routenator.engine.cli.console import say


def warn_of_strangers(functions: Iterable[str], tools: Sequence[dict[str, Any]], owner: str) -> None:
    """Say which ``functions`` of ``owner``, such as "the golden set", are not among the ``tools``."""
    known = {tool["function"]["name"] for tool in tools}
    strange = sorted(set(functions) - known)
    if strange:
        shown = ", ".join(strange[:5]) + (" …" if len(strange) > 5 else "")
        say(f"{len(strange):,} functions of {owner} are not among the {len(known):,} given: {shown}", "yellow")
