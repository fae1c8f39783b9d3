"""When two argument values are the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from routenator.engine.evaluation.calls import Call

_EDGES = " \"'“”‘’«».,!?;:()[]"
_SPACE = re.compile(r"\s+")
_ARTICLE = re.compile(r"^(?:the|a|an) (?=\S)")
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}


class ValueFolding:
    """Folds away what makes no difference to the program that is called.

    Case, Unicode compatibility forms, white space, quotes and stops round the value, a leading article, small numbers
    in words, and the synonyms that are given.

    Args:
        synonyms: Argument name → variant → the value that it means; variants are folded themselves.
    """

    def __init__(self, synonyms: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._synonyms = {
            argument: {_plain(variant): _plain(value) for variant, value in variants.items()}
            for argument, variants in (synonyms or {}).items()
        }

    def fold(self, argument: str, value: Any) -> str:
        """The value as text, with all that makes no difference removed."""
        text = _plain(_to_text(value))
        return self._synonyms.get(argument, {}).get(text, text)

    def fold_call(self, call: Call) -> dict[str, str]:
        """The arguments folded; null values count as absent."""
        return {name: self.fold(name, value) for name, value in call.arguments.items() if value is not None}

    def same_call(self, golden: Call | None, predicted: Call | None) -> bool:
        """Exact match: the same function with the same arguments, or no call on both sides."""
        if golden is None or predicted is None:
            return golden is predicted
        return golden.function == predicted.function and self.fold_call(golden) == self.fold_call(predicted)


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return ", ".join(_to_text(item) for item in value)
    return str(value)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    folded = _SPACE.sub(" ", folded).strip(_EDGES) or folded.strip()
    folded = _ARTICLE.sub("", folded)
    return _NUMBERS.get(folded, folded)
