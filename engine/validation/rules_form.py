"""Rules on the text itself: what no person would type, whatever the label."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from routenator.engine.display import has_unsafe_characters
from routenator.engine.prompting.english import takes_an
from routenator.engine.sample import Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words, word_set

_CRUMBS = re.compile(r"""[{}\\|`\n\r\t]|"\s*[:,]|</?[A-Za-z!][^>]*>|\w_\w|\*\*|&[a-z]+;|�""")
_LINK = re.compile(r"https?:|www\.|\w@\w|\w\.(?:com|org|net)\b", re.IGNORECASE)
_EDGES = re.compile(r"^[.,:;!?/*>=~_–—-]|[:;,/*<=~_(\[–—-]$")
_RUN = re.compile(r"([^\W\d_])\1{3,}|([^\w\s])\2{3,}")
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9,' ]*[A-Za-z0-9?.!])?")
"""Most texts: nothing in them that `check_characters` could find. Told at a tenth of the cost of looking."""
_QUOTES = "\"'“”‘’«»"

_DANGLING = word_set(
    "a an and are as at by featuring for from if in into is my of on or our showing that the their to using with your"
)
# What "log in" and "vitamin a" end with is not left hanging.
_BEFORE_PARTICLE = word_set(
    "a check class come cut dial drive drop fade fill grade group hepatitis hold how letter log move opt pass plan "
    "plug section sign stand stop stay team try turn type vitamin walk zoom"
)

_SCRIPTS = {
    "ar": ("ARABIC",),
    "bg": ("CYRILLIC",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "uk": ("CYRILLIC",),
    "zh": ("CJK",),
}
_MAX_FOREIGN_SHARE = 0.3


def check_characters(case: Case) -> Iterator[Finding]:
    """``characters``: control characters, crumbs of JSON, markup, links, loose or unbalanced punctuation."""
    for name, text in case.texts:
        if _PLAIN.fullmatch(text):
            continue
        if has_unsafe_characters(text) or _CRUMBS.search(text):
            message = f"The {name} holds control characters or pieces of JSON or markup; write plain words."
        elif _LINK.search(text):
            message = f"The {name} holds a link or an address; write plain words."
        elif _EDGES.search(text.strip()) or not _is_balanced(text):
            message = f"The {name} begins or ends with loose punctuation; write a whole phrase."
        else:
            continue
        yield Finding("characters", message, "rules")


def check_quoted(case: Case) -> Iterator[Finding]:
    """``quoted``: the query does not stand in quotation marks."""
    query = case.query.strip()
    if len(query) > 1 and query[0] in _QUOTES and query[-1] in _QUOTES:
        yield Finding("quoted", "Write the query without quotation marks round it.", "rules")


_SHORT_QUERY_WORDS = 12
_LONG_WORD_CHARS = 5  # "step by step", "how to tie a tie": short words double in good English


def check_repetition(case: Case) -> Iterator[Finding]:
    """``repetition``: no word pair twice, no word three times, in a short query no long one twice, and no stuck key.

    Words that double in the grounding may double ("bora bora").
    """
    if run := _RUN.search(case.query):
        yield Finding("repetition", f"The query repeats '{run[0][:4]}'; write each thing once.", "rules")
        return
    words = fold_words(case.query)
    if len(set(words)) == len(words):
        return
    doubled = next((a for a, b in pairwise(words) if a == b and not case.says(f"{a} {a}")), None)
    pairs = Counter(pair for pair in pairwise(words) if not FUNCTION_WORDS.issuperset(pair))
    repeated_pair = next((pair for pair, count in pairs.items() if count > 1), None)
    often = next((word for word, count in Counter(words).items() if _is_too_often(word, count, len(words), case)), None)
    if doubled or repeated_pair or often:
        what = doubled or often or " ".join(repeated_pair or ())
        yield Finding("repetition", f"The query repeats '{what}'; write each thing once.", "rules")


def _is_too_often(word: str, count: int, words: int, case: Case) -> bool:
    is_often = count > 2 or (count == 2 and words <= _SHORT_QUERY_WORDS and len(word) >= _LONG_WORD_CHARS)
    return is_often and word not in FUNCTION_WORDS and not case.says(f"{word} {word}")


NEVER_LAST = frozenset({"a", "an", "and", "because", "my", "of", "or", "our", "the", "with"})
"""Words that want another after them, also at the end of a question."""


def check_article(case: Case) -> Iterator[Finding]:
    """``article``: "a" and "an" fit the word after them. English only."""
    if case.language.split("-")[0] != "en":
        return
    for article, word in pairwise(case.query.split()):
        if article.lower() in ("a", "an") and word[0].isalpha() and takes_an(word) != (article.lower() == "an"):
            right = "an" if takes_an(word) else "a"
            yield Finding("article", f"Write '{right} {word}', not '{article} {word}'.", "rules")
            return


def check_unfinished(case: Case) -> Iterator[Finding]:
    """``unfinished``: query and free text do not end in a word that wants another."""
    for name, text in case.texts:
        words = fold_words(text)
        if not words or words[-1] not in _DANGLING:
            continue
        # "what is this for?" is whole, "is there a picture of?" is not.
        if text.rstrip().endswith("?") and words[-1] not in NEVER_LAST:
            continue
        if len(words) > 1 and words[-2] in _BEFORE_PARTICLE:
            continue
        yield Finding("unfinished", f"The {name} ends in '{words[-1]}'; finish the phrase.", "rules")


def check_language(case: Case) -> Iterator[Finding]:
    """``language``: the script is the language's own; at most 30 % of the letters are foreign."""
    if not any(map(str.isalpha, case.query)):
        yield Finding("language", f"The query has no words; write it in {case.language}.", "rules")
        return
    own = _SCRIPTS.get(case.language.split("-")[0], ("LATIN",))
    if own == ("LATIN",) and case.query.isascii():
        return
    letters = [char for char in case.query if char.isalpha()]
    foreign = sum(not unicodedata.name(char, "").startswith(own) for char in letters) / len(letters)
    # People mix Latin brand names into any script, hardly the other way round.
    limit = _MAX_FOREIGN_SHARE if own == ("LATIN",) else 1 - _MAX_FOREIGN_SHARE
    if foreign > limit:
        yield Finding("language", f"The query is not in {case.language}; write it in that language.", "rules")


def _is_balanced(text: str) -> bool:
    pairs_close = all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "“”"))
    return pairs_close and text.count('"') % 2 == 0
