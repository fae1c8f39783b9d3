"""Rules on the label: function and category, against schema, walk and query."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from routenator.engine.json_schema import find_errors
from routenator.engine.sample import Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.features import lead_phrase
from routenator.engine.validation.lexicon import Mention
from routenator.engine.validation.words import fold_words, split_tokens, word_set

_AFTER_HEAD = word_set(
    "about at by featuring for from in including inside of on over showing that to under using where which with"
)


def check_schema(case: Case) -> Iterator[Finding]:
    """``schema``: the arguments fit the function's JSON schema, and the category is the stratum's."""
    function = case.pack.functions_by_name.get(case.stratum.function)
    if function is None:
        yield Finding("schema", f"There is no function '{case.stratum.function}'.", "rules")
        return
    errors = find_errors(function.parameters, case.candidate.arguments)
    for error in sorted(errors, key=lambda error: error.message):
        field = ".".join(map(str, error.instance_path))
        where = f"Argument '{field}': " if field else "Arguments: "
        yield Finding("schema", f"{where}{error.message[:200]}.", "rules")
    name = case.roles.category or ""
    found = None if case.roles.spoken else case.candidate.arguments.get(name)
    if found is not None and found != case.stratum.category:
        yield Finding("schema", f"Argument '{name}' is '{found[:60]}'; it must be '{case.stratum.category}'.", "rules")


def check_walk_allows_label(case: Case) -> Iterator[Finding]:
    """``category_not_allowed`` and ``function_not_allowed``: every node of the walk serves the label.

    Of nodes that are arguments only that of the category argument speaks of the label.
    """
    others = {node.id for node in case.grounding.nodes if node.argument not in ("", case.roles.category)}
    for node in case.walk_nodes:
        if node.categories and case.stratum.category not in node.categories and node.id not in others:
            message = f"'{node.label}' is not of category '{case.stratum.category}'."
            yield Finding("category_not_allowed", message, "rules")
        if node.functions and case.stratum.function not in node.functions:
            message = f"'{node.label}' does not ask for function '{case.stratum.function}'."
            yield Finding("function_not_allowed", message, "rules")


def check_wrong_function(case: Case) -> Iterator[Finding]:
    """``wrong_function``: the verb that opens the query belongs to the label's function, as the pack's actions say."""
    phrase = lead_phrase(case.query, case.lexicon)
    if phrase is None:
        return
    served = case.lexicon.actions.get(phrase)
    if served is not None and case.stratum.function not in served:
        verbs = " or ".join(case.lexicon.phrases.get(case.stratum.function, ())[:2])
        message = f"'{' '.join(phrase)}' does not ask to {case.stratum.function}; use a verb such as {verbs}."
        yield Finding("wrong_function", message, "rules")


def check_wrong_category(case: Case) -> Iterator[Finding]:
    """``wrong_category``: the query does not name another category than the label's.

    Another category's keyword is harmless where the grounding speaks of it ("photo frame"), and where the label's own
    keyword stands as well, unless the other is what the query is about: the last keyword before the first preposition
    ("photo of an app icon" names an image).
    """
    mentions = case.lexicon.mentions(case.query, case.language)
    own = case.stratum.category
    others = [mention for mention in mentions if mention.category != own and not _is_grounded(mention, case)]
    # A keyword that two categories share names the label's as well.
    own_spans = {(mention.start, mention.stop) for mention in mentions if mention.category == own}
    others = [mention for mention in others if (mention.start, mention.stop) not in own_spans]
    if not others:
        return
    if own_spans and not _leads(others, own_spans, case):
        return
    other = others[0]
    words = " ".join(split_tokens(case.query)[other.start : other.stop])
    message = f"'{words}' names {_article(other.category)}, not {_article(own)}; leave it out."
    yield Finding("wrong_category", message, "rules")


def check_named_twice(case: Case) -> Iterator[Finding]:
    """``named_twice``: the query names its category once: "photo of a boat", not "photo of a boat picture".

    Names that stand together are one name where the grounding speaks of one of them: "birthday card template".
    """
    own = [m for m in case.lexicon.mentions(case.query, case.language) if m.category == case.stratum.category]
    for first, second in pairwise(own):
        if first.stop == second.start and (_is_grounded(first, case) or _is_grounded(second, case)):
            continue
        tokens = split_tokens(case.query)
        words = "' and '".join(" ".join(tokens[mention.start : mention.stop]) for mention in (first, second))
        yield Finding("named_twice", f"The query says '{words}'; one of them is enough.", "rules")
        return


def _is_grounded(mention: Mention, case: Case) -> bool:
    words = fold_words(" ".join(split_tokens(case.query)[mention.start : mention.stop]))
    return case.subject_forms.issuperset(words)


def _leads(others: list[Mention], own_spans: set[tuple[int, int]], case: Case) -> bool:
    """Whether a foreign keyword, and none of the category's own, stands before the first preposition."""
    head = len(split_tokens(case.query))
    for position, token in enumerate(split_tokens(case.query)):
        if position > 0 and token.casefold().strip(",.") in _AFTER_HEAD:
            head = position
            break
    return any(mention.stop <= head for mention in others) and not any(stop <= head for _, stop in own_spans)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
