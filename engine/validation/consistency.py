"""Label consistency by the sentence model: does the query speak of its grounding, and does its category fit.

It catches what the rules cannot, a query that shares a word with its grounding and is about something else. It is set
to let good rows pass: its job is to carry the critique where no judge has earned a vote.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Candidate, Finding, Grounding, Stratum
from routenator.engine.validation.lexicon import Lexicon

CATEGORY_MARGIN = 0.3
"""How much closer another category's description must be, where no keyword speaks, before the label is doubted."""


class SentenceEncoder(Protocol):
    """`routenator.engine.embedding.sentences.SentenceModel`, or a fake."""

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Unit vectors: float32, (len(texts), width)."""
        ...


@dataclass(frozen=True)
class ConsistencyCheck:
    """Compares a candidate with its grounding by meaning.

    Attributes:
        pack: The domain.
        lexicon: `Lexicon.from_pack` of the same pack.
        model: The sentence model.
        min_consistency: Least cosine similarity that passes.
    """

    pack: DomainPack
    lexicon: Lexicon
    model: SentenceEncoder
    min_consistency: float

    def check(self, candidate: Candidate, stratum: Stratum, grounding: Grounding) -> tuple[float, tuple[Finding, ...]]:
        """Best cosine similarity of query or free text with the walk or the content's title, and what is wrong.

        It takes milliseconds of CPU for each text: call it off the event loop.
        """
        subjects = _subjects(grounding, self.pack.spec.walk[-1])
        free_text = candidate.arguments.get(self.pack.spec.arguments.free_text, "")
        texts = list(dict.fromkeys(text for text in (candidate.query, free_text) if text.strip()))
        if not texts or not subjects:
            return 0.0, ()
        vectors = self.model.encode([*texts, *subjects])
        score = float((vectors[: len(texts)] @ vectors[len(texts) :].T).max())
        findings: list[Finding] = []
        if score < self.min_consistency:
            message = f"The query is not about its subject; write about: {'; '.join(subjects)}."
            findings.append(Finding("inconsistent", message, "consistency"))
        findings += self._check_category(candidate.query, vectors[0], stratum)
        return score, tuple(findings)

    @cached_property
    def _descriptions(self) -> tuple[list[str], NDArray[np.float32]]:
        categories = self.pack.spec.categories
        return list(categories), self.model.encode([category.description for category in categories.values()])

    def _check_category(self, query: str, vector: NDArray[np.float32], stratum: Stratum) -> list[Finding]:
        names, descriptions = self._descriptions
        if stratum.category not in names or self.lexicon.mentions(query, stratum.language):
            return []
        similarity = descriptions @ vector
        best = int(similarity.argmax())
        if similarity[best] - similarity[names.index(stratum.category)] <= CATEGORY_MARGIN:
            return []
        message = f"The query reads like '{names[best]}', not '{stratum.category}'; say what kind of thing is wanted."
        return [Finding("inconsistent_category", message, "consistency")]


def _subjects(grounding: Grounding, action_type: str) -> list[str]:
    """The walk's words without its action, and the content's title."""
    walk = " ".join(node.label for node in grounding.nodes if node.type != action_type)
    title = "" if grounding.content is None else grounding.content.title
    return [text for text in (walk, title) if text.strip()]
