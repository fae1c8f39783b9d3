"""Rules on what the slot asks for: length, phrasing, and where the category is named."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.features import classify_phrasing, locate_keyword
from routenator.engine.validation.words import count_words, fold_words


def check_length(case: Case) -> Iterator[Finding]:
    """``length``: the query's words lie in the stratum's band."""
    if case.stratum.length == ANY:
        return
    low, high = parse_length_band(case.stratum.length)
    words = count_words(case.query)
    if not low <= words <= high:
        wanted = f"{low} to {high}" if low != high else str(low)
        yield Finding("length", f"The query has {words} words; write {wanted} words.", "rules")


def check_phrasing(case: Case) -> Iterator[Finding]:
    """``phrasing``: fragment, imperative or question, as the stratum says."""
    wanted = case.stratum.phrasing
    if wanted == ANY:
        return
    found = classify_phrasing(case.query, case.lexicon)
    if found == wanted:
        return
    verbs = " or ".join(case.lexicon.phrases.get(case.stratum.function, ())[:2]) or "show"
    how = {
        "question": "ask a question and end it with ?",
        "imperative": f"begin with a verb such as {verbs}",
        "fragment": f"write a bare phrase, without {verbs}, please or ?",
    }
    yield Finding("phrasing", f"The query is a {found}; {how.get(wanted, wanted)}.", "rules")


def check_keyword_position(case: Case) -> Iterator[Finding]:
    """``keyword_position``: where the first keyword of the category stands."""
    wanted = case.stratum.keyword_position
    if wanted == ANY:
        return
    found = locate_keyword(case.query, case.language, case.stratum.category, case.lexicon)
    if found == wanted:
        return
    name = next(iter(case.keywords_of(case.stratum.category)), case.stratum.category)
    if wanted == "absent":
        words = " ".join(fold_words(case.query))
        used = next((word for word in case.keywords_of(case.stratum.category) if word.casefold() in words), name)
        message = f"Do not use the word '{used}' in the query."
    elif found == "absent":
        message = f"Use the word '{name}' at the {wanted} of the query."
    else:
        where = {"start": "at the start", "middle": "in the middle", "end": "at the end"}
        message = f"The word '{name}' is {where[found]} of the query; put it {where.get(wanted, wanted)}."
    yield Finding("keyword_position", message, "rules")


def check_example_copied(case: Case) -> Iterator[Finding]:
    """``example_copied``: the query is not one of the prompt's examples."""
    words = tuple(fold_words(case.query))
    if words and words in _fold_examples(case.examples):
        yield Finding("example_copied", "The query copies an example; write a new one.", "rules")


@lru_cache(maxsize=16)
def _fold_examples(examples: frozenset[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(fold_words(example)) for example in examples)
