"""Does the query read as if said freely? For weak models, which stumble on rails and make words up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Finding
from routenator.engine.validation.words import fold_words, forms

REFILL_SLACK = 2.5
"""By how much each refill round lowers the least log probability: where no free wording fills a stratum, a stiff one
may. Otherwise a weak model would never fill the rare strata, and what it can say would bend the distribution."""


@dataclass(frozen=True)
class FluencyCheck:
    """What a fluent query must keep to.

    Attributes:
        min_logprob: Least log probability of a token of the reply; ``None``: any.
        words: Known words, folded; ``None``: any word is known.
    """

    min_logprob: float | None
    words: frozenset[str] | None

    def check(
        self, query: str, min_logprob: float | None, refill_round: int = 0, misspelt: int = 0
    ) -> tuple[Finding, ...]:
        """What is wrong with ``query``.

        Args:
            query: What was written.
            min_logprob: Of its least likely token; ``None``: not known.
            refill_round: Round of the slot; see `REFILL_SLACK`.
            misspelt: How many words may be unknown, since the slot asks for misspelt ones.
        """
        unknown = [word for word in fold_words(query) if not self._knows(word)]
        if len(unknown) > misspelt:
            return (Finding("unknown_word", f"'{unknown[0]}' is not a word; leave it out.", "rules"),)
        least = None if self.min_logprob is None else self.min_logprob - REFILL_SLACK * refill_round
        if least is not None and min_logprob is not None and min_logprob < least:
            message = "Nobody would say it so; say it more simply."
            return (Finding("unlikely_word", message, "rules"),)
        return ()

    def _knows(self, word: str) -> bool:
        words = self.words
        return words is None or not word.isalpha() or any(form in words for form in forms(word))


def pack_words(pack: DomainPack, examples: Iterable[str]) -> frozenset[str]:
    """Every word of the pack's graph, content, categories and of ``examples``, folded."""
    texts = [text for node in pack.nodes for text in (node.label, *node.aliases)]
    texts += [text for item in pack.content for text in (item.title, *item.keywords)]
    texts += [
        word for category in pack.spec.categories.values() for words in category.keywords.values() for word in words
    ]
    return frozenset(word for text in (*texts, *examples) for word in fold_words(text))
