"""Rules for functions whose arguments are spoken: each value stands in the query, and nothing else is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from routenator.engine.sample import ANY, Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.rules_form import NEVER_LAST
from routenator.engine.validation.surface import dress
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

_HOW = {
    "lower": "write all of it in small letters",
    "sentence": "begin with a capital and write small letters after it, but in names",
    "title": "write three words or more, each with a capital",
    "upper": "write all of it in capitals",
    "mixed": "begin with a small letter and keep the capitals of names",
}
_LONG_WORD_CHARS = 4  # "at five at the bar": short words double in good English
_DETERMINERS = frozenset({"a", "an", "my", "our", "that", "the", "this"})
_TWO_POSSESSIVES = re.compile(r"['’]s['’]s\b", re.IGNORECASE)


def check_values_spoken(case: Case) -> Iterator[Finding]:
    """``value_missing``: each argument's value stands in the query exactly once."""
    values = case.candidate.arguments
    for argument in case.spoken.missing:
        yield Finding("value_missing", f"Say '{values[argument]}' in the query, exactly so.", "rules")
    for value in dict.fromkeys(values[argument] for argument in case.spoken.repeated):
        yield Finding("value_missing", f"'{value}' stands twice; say it once.", "rules")


def check_casing(case: Case) -> Iterator[Finding]:
    """``casing``: capitals and small letters as the stratum says, or as near as the query's words let it be."""
    wanted = case.stratum.casing
    if wanted == ANY or classify_casing(case.query) == wanted:
        return
    if dress(case.query, case.spoken.places, casing=wanted).query != case.query:
        yield Finding("casing", f"The casing is not {wanted}; {_HOW.get(wanted, wanted)}.", "rules")


def check_punctuation(case: Case) -> Iterator[Finding]:
    """``punctuation``: the query ends with a mark, or without one, as the stratum says."""
    wanted, is_marked = case.stratum.punctuation, case.query[-1:] in (".", "?", "!")
    if wanted == ANY or is_marked == (wanted == "final"):
        return
    if is_marked and any(span.stop == len(case.query) for span in case.spoken.places.values()):
        return  # a title may end with a mark of its own
    message = "Write it without a mark at its end." if is_marked else "End it with a mark."
    yield Finding("punctuation", message, "rules")


def check_absent_said(case: Case) -> Iterator[Finding]:
    """``absent_argument``: the words around the values say no argument that the row does not have."""
    if case.outside is None:
        return
    present = case.candidate.arguments.keys()
    for words in case.spoken.words_between():
        for phrase, arguments in case.outside.closed.find(case.stratum.function, words):
            if absent := sorted(arguments - present):
                message = f"'{' '.join(phrase)}' says {absent[0]}, which the request does not have; leave it out."
                yield Finding("absent_argument", message, "rules")
                return


def check_carrier(case: Case) -> Iterator[Finding]:
    """``unlabelled``: no word around the values is a number, or of a name or value that the function could take.

    One may be, where noise is wanted: a misspelt word can look like anything.
    """
    if case.outside is None:
        return
    outside, names = case.outside, case.outside.named.get(case.stratum.function, frozenset())
    unknown = [
        word
        for words in case.spoken.words_between()
        for word in words
        if word in names or (word not in outside.carrier and any(map(str.isdigit, word)))
    ]
    if len(unknown) > (case.stratum.noise == "typo"):
        said = list(dict.fromkeys(unknown))
        listed = " and ".join(f"'{word}'" for word in said)
        rest = "is in no argument; leave it out" if len(said) == 1 else "are in no argument; leave them out"
        yield Finding("unlabelled", f"{listed} {rest}.", "rules")


def check_carrier_repeats(case: Case) -> Iterator[Finding]:
    """``repetition``: around the values no longer word stands twice, and no word directly behind itself."""
    stretches = case.spoken.words_between()
    counts = Counter(word for words in stretches for word in words)
    longer = [word for word in counts if len(word) >= _LONG_WORD_CHARS and word not in FUNCTION_WORDS]
    often = [word for word in longer if counts[word] > 1]
    twice = [word for words in stretches for word, after in pairwise(words) if word == after]
    for words, span in zip(stretches, case.spoken.in_order(), strict=False):
        value = fold_words(span.value)
        if words and value and words[-1] == value[0] and words[-1] in FUNCTION_WORDS:
            twice.append(words[-1])  # "the The Beatles"; "play Play It Again" is right
    if found := next(iter([*twice, *often]), None):
        yield Finding("repetition", f"The query repeats '{found}'; write each thing once.", "rules")
    elif _TWO_POSSESSIVES.search(case.query):
        yield Finding("repetition", "The query has 's twice behind one name; write it once.", "rules")


def check_determiners(case: Case) -> Iterator[Finding]:
    """``article``: outside titles no two determiners in a row ("the this book")."""
    values = [fold_words(span.value) for span in case.spoken.in_order()]
    for words, value in zip(case.spoken.words_between(), [*values, []], strict=True):
        for one, two in pairwise([*words, *(value if len(value) == 1 else [])]):
            if one in _DETERMINERS and two in _DETERMINERS:
                yield Finding("article", f"Write '{one}' or '{two}', not both.", "rules")
                return


def check_carrier_ends(case: Case) -> Iterator[Finding]:
    """``unfinished``: behind the last value the query does not end in a word that wants another."""
    last = case.spoken.words_between()[-1]
    if last and last[-1] in NEVER_LAST:
        yield Finding("unfinished", f"The query ends in '{last[-1]}'; finish the phrase.", "rules")


def check_noise(case: Case) -> Iterator[Finding]:
    """``noise``: where a misspelt word is wanted, some word around the values is not the carrier's own."""
    if case.stratum.noise != "typo" or case.outside is None:
        return
    if all(word in case.outside.carrier for words in case.spoken.words_between() for word in words):
        yield Finding("noise", "Use a longer word beside the values, which can be misspelt.", "rules")
