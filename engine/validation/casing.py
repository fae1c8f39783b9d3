"""How a query is written in capitals and small letters."""

from __future__ import annotations

from routenator.engine.validation.words import FUNCTION_WORDS, fold_words, split_tokens

_FEWEST_TITLE_WORDS = 3


def classify_casing(query: str) -> str:
    """``lower``, ``sentence``, ``title``, ``upper`` or ``mixed``, whatever the words mean.

    * ``lower``: no capital letter.
    * ``upper``: no small letter, and at least two capitals.
    * ``title``: three words or more, and each begins with a capital (or a digit) but for function words inside.
    * ``sentence``: the first letter is a capital; names inside may have theirs.
    * ``mixed``: begins small and holds capitals, as where only names have them.

    Scripts without case are ``lower``.
    """
    letters = [character for character in query if character.isalpha()]
    if not any(map(str.isupper, letters)):
        return "lower"
    if len(letters) > 1 and not any(map(str.islower, letters)):
        return "upper"
    if not letters[0].isupper():
        return "mixed"
    tokens = split_tokens(query)
    if len(tokens) >= _FEWEST_TITLE_WORDS and all(map(_is_capitalised, tokens)):
        return "title"
    return "sentence"


def _is_capitalised(token: str) -> bool:
    first = next(character for character in token if character.isalnum())
    return first.isupper() or first.isdigit() or all(word in FUNCTION_WORDS for word in fold_words(token))
