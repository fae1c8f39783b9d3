"""Which content item fits a walk."""

from __future__ import annotations

import heapq
import math
import re
from collections import defaultdict
from collections.abc import Iterable

from routenator.engine.domain.pack import ContentItem, DomainPack
from routenator.engine.kg.splitmix import SplitMix64
from routenator.engine.sample import NodeRef

_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "into", "is", "it", "my", "of", "on", "or", "the", "to", "with")
)
_ALIAS_WEIGHT = 0.5  # an alias may be another sense of the label
_SHORTLIST = 8
_MAX_POSTINGS = 1_000


def stem_words(text: str) -> list[str]:
    """The words of ``text`` in small letters, without stop words and without the plural's s."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
    return word


def speaks_of(item: ContentItem, node: NodeRef) -> bool:
    """Whether title or keywords of ``item`` hold a word of the node's label."""
    words = {word for text in (item.title, *item.keywords) for word in stem_words(text)}
    return not words.isdisjoint(stem_words(node.label))


class ContentIndex:
    """An inverted index over a pack's content, by category, language and whether there is an image."""

    def __init__(self, pack: DomainPack) -> None:
        """Index every item's title and keywords."""
        self._nodes = pack.nodes_by_id
        self._queries: dict[str, dict[str, float]] = {}
        grouped: dict[tuple[str, str | None, bool], list[ContentItem]] = {}
        for item in pack.content:
            for language in (_primary(item.locale), None):
                grouped.setdefault((item.type, language, False), []).append(item)
                if item.image is not None:
                    grouped.setdefault((item.type, language, True), []).append(item)
        self._shelves = {key: _Shelf(items) for key, items in grouped.items()}

    def pick(
        self, nodes: tuple[NodeRef, ...], category: str, language: str, seed: int, needs_image: bool
    ) -> ContentItem | None:
        """Draw an item that fits a walk.

        Title and keywords are compared with the labels and aliases of the walk's nodes; rare words count more. The
        draw is among the best few, the better ones more often, so that one walk does not always show one item.

        Args:
            nodes: The walk.
            category: The item's type.
            language: Language tag. Only its primary language counts; where it has no items of the category, items of
                any language serve.
            seed: The same seed gives the same item.
            needs_image: Only items with an image.

        Returns:
            The item, or ``None`` when the category has none.
        """
        shelf = self._shelves.get((category, _primary(language), needs_image)) or self._shelves.get(
            (category, None, needs_image)
        )
        return None if shelf is None else shelf.pick(self._query(nodes), SplitMix64(seed))

    def _query(self, nodes: Iterable[NodeRef]) -> dict[str, float]:
        query: dict[str, float] = {}
        for node in nodes:
            if node.id not in self._queries:
                self._queries[node.id] = self._words_of(node)
            for word, weight in self._queries[node.id].items():
                query[word] = max(weight, query.get(word, 0.0))
        return query

    def _words_of(self, node: NodeRef) -> dict[str, float]:
        known = self._nodes.get(node.id)
        words = {word: _ALIAS_WEIGHT for alias in (known.aliases if known else ()) for word in stem_words(alias)}
        return words | dict.fromkeys(stem_words(node.label), 1.0)


def _primary(language: str) -> str:
    return re.split("[-_]", language, maxsplit=1)[0].lower()


class _Shelf:
    """The items that one kind of question may get."""

    def __init__(self, items: list[ContentItem]) -> None:
        self._items = items
        self._postings: dict[str, list[int]] = {}
        for position, item in enumerate(items):
            for word in dict.fromkeys(stem_words(" ".join((item.title, *item.keywords)))):
                self._postings.setdefault(word, []).append(position)

    def pick(self, query: dict[str, float], stream: SplitMix64) -> ContentItem:
        scores: defaultdict[int, float] = defaultdict(float)
        found = sorted((word for word in query if word in self._postings), key=lambda w: len(self._postings[w]))
        seen = 0
        for word in found:
            postings = self._postings[word]
            seen += len(postings)
            if scores and seen > _MAX_POSTINGS:
                break  # the words that are left stand in so many items that they tell little
            worth = query[word] * math.log1p(len(self._items) / len(postings))
            for position in postings:
                scores[position] += worth
        if not scores:
            return self._items[int(stream.draw() * len(self._items))]
        enough = max(scores.values()) / 2
        fitting = [(position, score) for position, score in scores.items() if score >= enough]
        if len(fitting) > _SHORTLIST:
            # Equal scores are common: the key's second part draws anew which of them make the list.
            salt = int(stream.draw() * 2**32)
            fitting = heapq.nsmallest(
                _SHORTLIST, fitting, key=lambda found: (-found[1], (found[0] * 0x9E3779B1 ^ salt) % 2**32)
            )
        fitting = [(position, score**2) for position, score in fitting]
        point = stream.draw() * sum(weight for _, weight in fitting)
        for position, weight in fitting:
            point -= weight
            if point < 0:
                return self._items[position]
        return self._items[fitting[-1][0]]
