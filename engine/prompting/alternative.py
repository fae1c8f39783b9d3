"""One text of a grammar's rule, as written in the file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from routenator.engine.config import Strict

SYMBOL = re.compile(r"\{(a:)?([A-Za-z_]\w*)\}")
_WITH_ENDING = re.compile(rf"{SYMBOL.pattern}(?:['’]\w+)?")


class Weighted(Strict):
    """One alternative of a rule with its weight."""

    text: str
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    when: dict[str, str] = Field(default_factory=dict)
    """Argument → regular expression that must match its whole value; an absent argument counts as ``""``.

    Only for grammars over arguments: this is how "at noon" and "on Sunday" find their prepositions.
    """

    def symbols(self) -> list[str]:
        """Names of the symbols of the text, in order."""
        return [name for _, name in SYMBOL.findall(self.text)]

    def literals(self) -> list[str]:
        """What stands between the symbols; a ``'s`` behind a symbol belongs to the symbol's word."""
        return [piece.strip() for piece in _WITH_ENDING.sub("{", self.text).split("{") if piece.strip()]
