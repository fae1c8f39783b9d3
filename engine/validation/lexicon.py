"""What a pack calls things: the keywords of its categories and the verbs of its actions, ready to be looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from routenator.engine.domain.pack import DomainPack
from routenator.engine.validation.words import (
    FUNCTION_WORDS,
    Part,
    content_words,
    fold_parts,
    fold_words,
    forms,
    word_set,
)

Phrase = tuple[str, ...]

REQUEST_VERBS = word_set("add build create design draw find generate get give make need produce search show want write")
"""Verbs by which people ask for things, whatever the domain."""

_OBJECTS = word_set("a an me us")

MAX_PHRASE_WORDS = 5
"""Longer keywords are not names that users type; it bounds the number of plural forms of a phrase."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A category's keyword in a query, by positions of `split_tokens`: ``start`` included, ``stop`` not."""

    category: str
    start: int
    stop: int


@dataclass(frozen=True)
class Lexicon:
    """Keywords and verbs of one pack, folded.

    Attributes:
        keywords: Language → phrase (every plural form) → categories that it names.
        actions: Label or alias of an action, also without "me", or a declared verb → functions that it may ask for.
        phrases: Function → labels and aliases of the actions that ask for it and for nothing else, in the pack's order.
        verbs: Single words among the actions, and `REQUEST_VERBS`.
        subjects: Content words of the labels and aliases of all nodes that are no actions.
        declared_verbs: Single words that the pack declares as verbs: they are no nouns, whatever follows.
    """

    keywords: Mapping[str, Mapping[Phrase, frozenset[str]]]
    actions: Mapping[Phrase, frozenset[str]]
    phrases: Mapping[str, tuple[str, ...]]
    verbs: frozenset[str]
    subjects: frozenset[str]
    declared_verbs: frozenset[str] = frozenset()

    @classmethod
    def from_pack(cls, pack: DomainPack) -> Lexicon:
        """Read the categories' keywords, the nodes of the walk's last type, which are its actions, and the verbs."""
        keywords: dict[str, dict[Phrase, frozenset[str]]] = {}
        for name, category in pack.spec.categories.items():
            for language, phrases in category.keywords.items():
                known = keywords.setdefault(language, {})
                for keyword in phrases:
                    for form in _phrase_forms(keyword):
                        known[form] = known.get(form, frozenset()) | {name}

        functions = frozenset(pack.functions_by_name)
        actions: dict[Phrase, frozenset[str]] = {}
        action_type = next(reversed(pack.spec.walk), None)
        for function, verbs_of in pack.spec.verbs.items():
            for verb in verbs_of:
                words = tuple(fold_words(verb))
                actions[words] = actions.get(words, frozenset()) | {function}
        declared_verbs = frozenset(phrase[0] for phrase in actions if len(phrase) == 1)
        for node in pack.nodes:
            if node.type != action_type:
                continue
            for text in (node.label, *node.aliases):
                words = tuple(fold_words(text))
                served = node.functions or functions
                # "play me" makes "play" a verb; "pull up" does not make "pull" one.
                is_verb = len(words) == 2 and words[1] in _OBJECTS and words[0] not in FUNCTION_WORDS
                for action in (words, words[:1]) if is_verb else (words,):
                    actions[action] = actions.get(action, frozenset()) | served
        actions.pop((), None)
        texts = dict.fromkeys(
            [text for node in pack.nodes if node.type == action_type for text in (node.label, *node.aliases)]
            + [verb for verbs_of in pack.spec.verbs.values() for verb in verbs_of]
        )
        phrases_of = {
            function: tuple(text for text in texts if actions.get(tuple(fold_words(text)), ()) == frozenset({function}))
            for function in functions
        }
        verbs = REQUEST_VERBS | {phrase[0] for phrase in actions if len(phrase) == 1}
        labels = [(node.label, *node.aliases) for node in pack.nodes if node.type != action_type]
        subjects = frozenset(word for texts_of_node in labels for text in texts_of_node for word in content_words(text))
        return cls(keywords, actions, phrases_of, verbs, subjects, declared_verbs)

    def mentions(self, query: str, language: str) -> tuple[Mention, ...]:
        """Every keyword in ``query``, by start; one that lies inside a longer keyword is left out."""
        parts = fold_parts(query)
        spans = list(self._find(parts, language))
        kept = [
            span
            for span in spans
            if not any(
                other[0] <= span[0] and span[1] <= other[1] and other[1] - other[0] > span[1] - span[0]
                for other in spans
            )
        ]
        return tuple(
            Mention(category, parts[start].position, parts[stop - 1].position + 1)
            for start, stop, categories in kept
            for category in sorted(categories)
        )

    def first_mention(self, query: str, language: str, category: str) -> Mention | None:
        """First keyword of ``category`` in ``query``, the longest at that place, or ``None``."""
        parts = fold_parts(query)
        for start, stop, categories in self._find(parts, language):
            if category in categories:
                return Mention(category, parts[start].position, parts[stop - 1].position + 1)
        return None

    def _find(self, parts: Sequence[Part], language: str) -> Iterator[tuple[int, int, frozenset[str]]]:
        """First word, end and categories of every phrase in ``parts``, by start, the longest first."""
        language = language if language in self.keywords else next(iter(self.keywords), "")
        longest = self._longest.get(language, {})
        for start, part in enumerate(parts):
            # Few words begin a keyword.
            for stop in range(min(len(parts), start + longest.get(part.text, 0)), start, -1):
                phrase = tuple(part.text for part in parts[start:stop])
                if categories := self.keywords[language].get(phrase):
                    yield start, stop, categories

    @cached_property
    def _longest(self) -> dict[str, dict[str, int]]:
        """Language → first word of a keyword → words of the longest keyword that begins with it."""
        found: dict[str, dict[str, int]] = {}
        for language, phrases in self.keywords.items():
            longest = found.setdefault(language, {})
            for phrase in phrases:
                longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
        return found


def _phrase_forms(phrase: str) -> set[Phrase]:
    """``phrase`` with its last word, by which phrases are inflected, in every simple plural form."""
    words = fold_words(phrase)
    if not 1 <= len(words) <= MAX_PHRASE_WORDS:
        return set()
    return set(product(*([word] for word in words[:-1]), sorted(forms(words[-1]))))
