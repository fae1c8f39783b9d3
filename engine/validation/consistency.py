"""Label consistency by the sentence model: does the query speak of its grounding.

It catches what the rules cannot, a query that shares a word with its grounding and is about something else, and it
lets good rows pass: its job is to carry the critique where no judge has earned a vote. It does not compare the query
with the categories' descriptions: on the shipped pack that refused good rows nearly half as often as wrong ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Candidate, Finding, Grounding


class SentenceEncoder(Protocol):
    """`routenator.engine.embedding.batching.BatchEncoder`, or a fake."""

    async def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors: float32, (len(texts), width)."""
        ...


@dataclass(frozen=True)
class ConsistencyCheck:
    """Compares a candidate with its grounding by meaning.

    Attributes:
        pack: The domain.
        model: The sentence model, which keeps its work off the event loop.
        min_consistency: Least cosine similarity that passes.
    """

    pack: DomainPack
    model: SentenceEncoder
    min_consistency: float

    @cached_property
    def _free_texts(self) -> frozenset[str | None]:
        return frozenset(roles.free_text for roles in self.pack.spec.roles.values())

    async def check(self, candidate: Candidate, grounding: Grounding) -> tuple[float, tuple[Finding, ...]]:
        """Best cosine similarity of query or free text with the walk or the content's title, and what is wrong.

        Returns:
            The similarity (-1..1; 0 where there is nothing to compare) and at most one finding, ``inconsistent``.
        """
        action = next(reversed(self.pack.spec.walk), "")
        walk = " ".join(node.label for node in grounding.nodes if node.type != action)
        title = "" if grounding.content is None else grounding.content.title
        subjects = [text for text in (walk, title) if text.strip()]
        free_texts = (text for name, text in candidate.arguments.items() if name in self._free_texts)
        texts = list(dict.fromkeys(text for text in (candidate.query, *free_texts) if text.strip()))
        if not texts or not subjects:
            return 0.0, ()
        vectors = await self.model.encode([*texts, *subjects])
        score = float((vectors[: len(texts)] @ vectors[len(texts) :].T).max())
        if score >= self.min_consistency:
            return score, ()
        message = f"The query is not about its subject; write about: {'; '.join(subjects)}."
        return score, (Finding("inconsistent", message, "consistency"),)
