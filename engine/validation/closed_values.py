"""Phrases that say an argument: the vocabularies of arguments that have few values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from routenator.engine.domain.pack import GraphNode
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

Phrase = tuple[str, ...]

MOST_NODES = 60
"""Most nodes of a closed vocabulary. In larger ones, such as titles, stand words that mean other things elsewhere."""


@dataclass(frozen=True)
class ClosedValues:
    """Function → phrase (folded words) → the arguments that it may say."""

    phrases: Mapping[str, Mapping[Phrase, frozenset[str]]]

    @classmethod
    def collect(
        cls, node_types: Mapping[str, Mapping[str, str]], nodes: Iterable[GraphNode], carrier: Collection[str]
    ) -> ClosedValues:
        """Read the labels and aliases of the nodes of small types.

        Args:
            node_types: Function → argument → type of the nodes that are its values.
            nodes: The pack's.
            carrier: Folded words that stand outside values as well; alone they say no argument, nor do function words.
        """
        nodes = tuple(nodes)
        sizes = Counter(node.type for node in nodes)
        phrases_of: dict[str, set[Phrase]] = {}
        for node in nodes:
            if sizes[node.type] <= MOST_NODES:
                texts = (node.label, *node.aliases)
                phrases_of.setdefault(node.type, set()).update(tuple(fold_words(text)) for text in texts)
        phrases: dict[str, dict[Phrase, frozenset[str]]] = {}
        for function, types in node_types.items():
            known = phrases.setdefault(function, {})
            for argument, node_type in types.items():
                for phrase in phrases_of.get(node_type, ()):
                    if phrase and not (len(phrase) == 1 and (phrase[0] in carrier or phrase[0] in FUNCTION_WORDS)):
                        known[phrase] = known.get(phrase, frozenset()) | {argument}
        return cls(phrases)

    def find(self, function: str, words: Sequence[str]) -> Iterator[tuple[Phrase, frozenset[str]]]:
        """Every phrase of ``function`` in ``words`` (folded) with its arguments, by start, the longest first."""
        phrases, longest = self.phrases.get(function, {}), self._longest.get(function, {})
        for start, word in enumerate(words):
            for stop in range(min(len(words), start + longest.get(word, 0)), start, -1):
                phrase = tuple(words[start:stop])
                if arguments := phrases.get(phrase):
                    yield phrase, arguments

    @cached_property
    def _longest(self) -> dict[str, dict[str, int]]:
        """Function → first word of a phrase → words of the longest phrase that begins with it."""
        found: dict[str, dict[str, int]] = {}
        for function, phrases in self.phrases.items():
            longest = found.setdefault(function, {})
            for phrase in phrases:
                longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
        return found
