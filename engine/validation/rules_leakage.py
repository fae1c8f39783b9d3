"""Rules on what came out of the prompt rather than out of a person: template words, and words meant for the judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from routenator.engine.sample import Finding
from routenator.engine.validation.case import Case
from routenator.engine.validation.words import fold_words

_PLACEHOLDER = re.compile(r"\{[^}]*\}|\[[^\]]*\]|<[^>]*>|\{\{|\}\}")
_OPENERS = re.compile(
    r"\s*(?:here(?: is| are|'s|’s) (?:a|an|the|my|your|some|one)|sure[,!]|certainly[,!]|of course[,!])", re.I
)
_PHRASES = (
    "as an ai",
    "content type",
    "free text",
    "json",
    "language model",
    "length band",
    "query",
    "search query",
    "the user",
    "user query",
    "word count",
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

_INJECTION = re.compile(
    r"""verdict\W{0,5}(?:is\W{1,5})?(?:pass|accept|true|ok\b)|["']verdict["']|\bverdict\s*[:=]
    |\[\s*/?\s*(?:end|begin|start|inst|sys|system|data)\b[^\]]*\] | \bend\s+(?:of\s+)?data\b
    |<\|[^>]*\|?>? | </?(?:s|system|assistant|user|data)>
    |\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+|the\s+|your\s+)*(?:previous|prior|above|earlier|instructions)
    |\bsystem\s+prompt\b | \b(?:score|rating|naturalness|grounding)["']?\s*[:=]\s*\d
    |\byou\s+are\s+(?:now\s+)?an?\s+(?:ai|assistant|judge)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_INJECTION_SIGNS = (
    *("verdict", "[", "<", "data", "ignore", "disregard", "forget", "prompt", "score", "rating"),
    *("naturalness", "grounding", "you"),
)
"""What no match of `_INJECTION` in ASCII is without: looking for them takes a quarter of its time."""


def check_template_leakage(case: Case) -> Iterator[Finding]:
    """``template_leakage``: no placeholders, node ids, type names or talk about the task.

    Words of the grounding may stand: a pack may be about databases and queries.
    """
    leak = _find_leak(case)
    if leak is not None:
        message = f"The query holds '{leak}', which is not what a user types; leave it out."
        yield Finding("template_leakage", message, "rules")


def check_injection(case: Case) -> Iterator[Finding]:
    """``injection``: no text that looks like a verdict or a control token."""
    for name, text in (("query", case.query), *case.candidate.arguments.items()):
        folded = text.lower()
        # Letters that only a regular expression takes for others ("ı" for "i") are its own to find.
        if text.isascii() and not any(sign in folded for sign in _INJECTION_SIGNS):
            continue
        if _INJECTION.search(text):
            message = f"The {name} holds words that are meant for the checker; write only what a user types."
            yield Finding("injection", message, "rules")
            return


@lru_cache(maxsize=64)
def _task_phrases(node_types: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
    """`_PHRASES`, and the names of node types and arguments, each between spaces."""
    types = (_CAMEL.sub(" ", name).casefold() for name in node_types)
    names = [name.replace("_", " ").casefold() for name in arguments if "_" in name]
    return tuple(f" {phrase} " for phrase in (*_PHRASES, *(name for name in types if " " in name), *names))


def _find_leak(case: Case) -> str | None:
    for pattern in (_PLACEHOLDER, _OPENERS):
        if match := pattern.search(case.query) if pattern is _PLACEHOLDER else pattern.match(case.query):
            return match[0].strip()
    spec = case.pack.spec
    node_types, arguments = (spec.walk, tuple(spec.arguments[case.stratum.function]))
    spoken = f" {' '.join(fold_words(case.query))} "
    for phrase in _task_phrases(node_types, arguments):
        if phrase in spoken:
            about = f" {' '.join(word for text in case.subject_texts for word in fold_words(text))} "
            if phrase not in about:
                return phrase.strip()
    ids = {node.id for node in case.grounding.nodes} | (
        {case.grounding.content.id} if case.grounding.content else set()
    )
    tokens = {token.strip(".,;:!?\"'()") for token in case.query.split()}
    # A bare word such as "cat" may be an id as well as a word.
    return next((token for token in sorted(tokens & ids) if not token.isalpha()), None)
