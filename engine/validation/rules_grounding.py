"""Rules on the free-text argument: it is the user's own words, and the walk or the content justifies them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routenator.engine.sample import Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.features import asks_whether, classify_phrasing
from routenator.engine.validation.words import content_words, fold_words, forms, forms_in


def check_free_text_missing(case: Case) -> Iterator[Finding]:
    """``free_text_missing``: the free text says more than the category's name and function words."""
    name = case.roles.free_text
    if not content_words(case.free_text):
        yield Finding("free_text_missing", f"Argument '{name}' says nothing; say what it shows.", "rules")
        return
    keywords = forms_in(case.keywords_of(case.stratum.category))
    if keywords.issuperset(content_words(case.free_text)):
        message = f"Argument '{name}' names only the category; say what it shows as well."
        yield Finding("free_text_missing", message, "rules")


def check_free_text_in_query(case: Case) -> Iterator[Finding]:
    """``free_text_not_in_query``: its content words stand in the query, in order; plurals do not matter."""
    missing = _first_missing(content_words(case.free_text), content_words(case.query))
    if missing is not None:
        name = case.roles.free_text
        message = f"'{missing}' is in argument '{name}' but not there in the query; copy the words from the query."
        yield Finding("free_text_not_in_query", message, "rules")


def check_free_text_is_subject(case: Case) -> Iterator[Finding]:
    """``free_text_is_command``: the free text names the subject; it does not ask for it."""
    if not _asks(case.free_text, case):
        return
    name = case.roles.free_text
    message = f"Argument '{name}' repeats the request; give only what it shows, without the verb."
    yield Finding("free_text_is_command", message, "rules")


def check_grounded(case: Case) -> Iterator[Finding]:
    """``ungrounded``: the free text shares a content word with the walk (but its action) or the content item.

    The category's own keywords do not count: every query of the category could hold them.
    """
    words = content_words(case.free_text) or content_words(case.query)
    own = forms_in(case.keywords_of(case.stratum.category))
    subject = case.grounding_forms - own
    if not subject or any(word in subject for word in words):
        return
    about = ", ".join(dict.fromkeys(node.label for node in case.grounding.nodes if node.type != case.action_type))
    yield Finding("ungrounded", f"The query is not about its subject; write about: {about}.", "rules")


def _first_missing(wanted: Sequence[str], given: Sequence[str]) -> str | None:
    """First of ``wanted`` that does not follow the one before it in ``given``, or ``None``."""
    rest = iter(given)
    for word in wanted:
        if not any(word in forms(other) or other in forms(word) for other in rest):
            return word
    return None


def _asks(text: str, case: Case) -> bool:
    words = fold_words(text)
    if not words:
        return False
    courteous = "please" in (words[0], words[-1])
    return courteous or asks_whether(words) or classify_phrasing(text, case.lexicon) == "imperative"
