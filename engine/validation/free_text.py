"""Cut the free-text argument out of a query: what is asked for, without the asking and without the category's name."""

from __future__ import annotations

from routenator.engine.validation import features
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.words import ARTICLES, fold_parts, fold_words, word_set

_LINKS = word_set("of about showing featuring depicting containing that which saying with for to in on as like where")
_DROPPED_LINKS = word_set("of about showing featuring depicting containing")
_FILLERS = ARTICLES | word_set("some any me us few more good nice cool free best my our")
_LEADING = ARTICLES | word_set("some any me us")
_LAST_BEFORE = ARTICLES | {"as"}
_NEVER_LAST = _LINKS | ARTICLES
_COURTESIES = (("for", "me"), ("for", "us"), ("please",), ("thanks",), ("thank", "you"))


def extract_free_text(query: str, language: str, category: str, lexicon: Lexicon) -> str:
    """The free text of ``query`` as a row labelled with ``category``: an ordered subsequence of the query's words.

    The opening ("can you make me", "looking for"), the first keyword of the category, the link word between the
    keyword and what follows, and courtesies at the end are left out. "make an icon of a red kite please" gives
    "red kite"; "birthday card template with balloons" gives "birthday card with balloons".

    Returns:
        The text, or ``""`` when nothing is left.
    """
    tokens = query.split()
    if not tokens:
        return ""
    tokens[-1] = tokens[-1].rstrip("?!.,;:")
    mention = lexicon.first_mention(query, language, category)
    # Keywords are counted in words; a lone "&" or dash is a token but no word.
    at = [index for index, token in enumerate(tokens) if any(map(str.isalnum, token))]
    start = _opening_length(query, lexicon)
    start = at[start] if start < len(at) else len(tokens)
    words = [" ".join(fold_words(token)) for token in tokens]
    if mention is None:
        kept = list(range(start, len(tokens)))
    else:
        before = list(range(min(start, at[mention.start]), at[mention.start]))
        after = list(range(at[mention.stop - 1] + 1, len(tokens)))
        while before and words[before[0]] in _LEADING:
            before.pop(0)
        while before and words[before[-1]] in _LAST_BEFORE:
            before.pop()
        link = words[after[0]] if after else ""
        # "simple icon with pumpkins" is about simple pumpkins; "taco icon with salsa" about a taco with salsa.
        is_style = link == "with" and lexicon.subjects.isdisjoint(words[i] for i in before)
        if link in _DROPPED_LINKS or is_style or (link in _LINKS and not before):
            after.pop(0)
            while after and words[after[0]] in _LEADING:
                after.pop(0)
        kept = before + after
    while kept and (words[kept[0]] in _LEADING or not words[kept[0]]):
        kept.pop(0)
    for courtesy in _COURTESIES:
        while len(kept) > len(courtesy) and tuple(words[i] for i in kept[-len(courtesy) :]) == courtesy:
            del kept[-len(courtesy) :]
    while kept and words[kept[-1]] in _NEVER_LAST:
        kept.pop()
    text = " ".join(tokens[i] for i in kept).strip(" ,;:?!.\"'-–—&/")
    return "" if all(word in _FILLERS for word in fold_words(text)) else text


_OPENING_WORDS = _LEADING | word_set("have got find get see be recommend suggest offer good some any")
_SUBJECTS = features.SUBJECTS - ARTICLES


def _opening_length(query: str, lexicon: Lexicon) -> int:
    """Number of words that only ask: "where can i find", "please make me", "i need you to design"."""
    parts = fold_parts(query)
    words = [part.text for part in parts]
    at = len(words) - len(features.skip_greetings(words))
    while at < len(words) and words[at] in features.WH_OPENERS:
        at += 1
    asked = at < len(words) - 1 and words[at] in features.MODAL_OPENERS and words[at + 1] in _SUBJECTS
    if asked:
        at += 2
    # "i need you to" begins as "i need" does.
    rest = features.skip_lead_in(words[at:])
    asked = asked or len(rest) < len(words) - at
    if len(rest) == len(words) - at:
        need = next((need for need in features.NEEDS if tuple(rest[: len(need)]) == need), ())
        rest = rest[len(need) :]
    at = len(words) - len(rest)
    at += features.request_length(rest, lexicon, asked)
    # "got any icons" is "have you got any icons", cut short.
    if at < len(words) - 1 and words[at] == "got" and words[at + 1] in _LEADING:
        at += 1
    while 0 < at < len(words) and words[at] in _OPENING_WORDS:
        at += 1
    return parts[at].position if at < len(parts) else len(query.split())
