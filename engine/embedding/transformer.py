"""The transformer of the small sentence model, in plain numpy, for texts of any lengths at once.

The tokens of all texts stand one after another, without padding: the products, which are most of the work, run over
the rows of many texts, and only attention, a twentieth of the work, is done for each length by itself. A text's vector
is the same to the last bit whatever texts it is computed with: no sum of one text depends on another, and a row of a
product of two rows or more doesn't depend on their number.

Source:
    BERT (arXiv:1810.04805); MiniLM (arXiv:2002.10957).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

DIMENSIONS = 384
HEADS = 12
LAYERS = 6
LAYER_NORM_EPSILON = 1e-12

_GELU_BLOCK = 8192
"""Numbers at a time: with its scratch it stays in the second-level cache."""
_ROOT_HALF = math.sqrt(0.5)
# Half of erfc's, as GELU takes it.
_HALF_ERFC = tuple(np.float32(c / 2) for c in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))
_ERFC_SCALE = np.float32(0.3275911 * _ROOT_HALF)


class Transformer:
    """Mean of a text's last hidden states, normalised. Its weights are read-only: threads may share it.

    Args:
        weights: Name → float32, as ``model.safetensors`` holds them.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        embeddings = "embeddings."
        self._words = weights[embeddings + "word_embeddings.weight"]
        # Every token is of type 0, so its type's vector belongs to the position.
        positions = weights[embeddings + "position_embeddings.weight"]
        self._positions = positions + weights[embeddings + "token_type_embeddings.weight"][0]
        self._norm = _norm_of(weights, embeddings + "LayerNorm")
        self._layers = [_Layer(weights, f"encoder.layer.{index}.") for index in range(LAYERS)]

    def encode(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Sentence vectors.

        Args:
            ids: Token ids of each text, two at least (the tokenizer's first and last), shorter texts first.

        Returns:
            float32, (len(ids), 384), rows of length 1.
        """
        lengths = [len(line) for line in ids]
        tokens = np.concatenate([np.asarray(line, np.int64) for line in ids])
        places = np.concatenate([np.arange(length) for length in lengths])
        hidden = self._words[tokens]
        hidden += self._positions[places]
        _normalise(hidden, self._norm)
        runs = _runs_of(lengths)
        for layer in self._layers:
            hidden = layer(hidden, runs)
        # The mean's length does not matter, so neither does dividing by the token count.
        pooled = np.concatenate(
            [
                hidden[start : start + count * length].reshape(count, length, -1).sum(axis=1)
                for start, count, length in runs
            ]
        )
        pooled /= np.sqrt(np.einsum("ij,ij->i", pooled, pooled))[:, None]
        return pooled


Run = tuple[int, int, int]
"""First row, texts, and the tokens of each."""


def _runs_of(lengths: Sequence[int]) -> list[Run]:
    """Neighbours of one length."""
    runs: list[Run] = []
    start = first = 0
    for index, length in enumerate(lengths):
        if index + 1 == len(lengths) or lengths[index + 1] != length:
            count = index + 1 - first
            runs.append((start, count, length))
            start, first = start + count * length, index + 1
    return runs


class _Layer:
    """One transformer layer. ``__call__``: float32 (tokens, 384) → the same shape."""

    def __init__(self, weights: Mapping[str, Floats], prefix: str) -> None:
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

    def __call__(self, hidden: Floats, runs: Sequence[Run]) -> Floats:
        qkv = hidden @ self._qkv
        qkv += self._qkv_bias
        mixed = np.empty_like(hidden)
        for start, count, length in runs:
            rows = slice(start, start + count * length)
            shape = (count, length, HEADS, DIMENSIONS // HEADS)
            query, key, value = qkv[rows].reshape(count, length, 3, *shape[2:]).transpose(2, 0, 3, 1, 4)
            scores = query @ key.transpose(0, 1, 3, 2)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed[rows].reshape(shape)[:] = (scores @ value).transpose(0, 2, 1, 3)
        attended: Floats = mixed @ self._out
        attended += self._out_bias
        attended += hidden
        _normalise(attended, self._attention_norm)
        inner: Floats = attended @ self._up
        inner += self._up_bias
        gelu(inner)
        result: Floats = inner @ self._down
        result += self._down_bias
        result += attended
        _normalise(result, self._norm)
        return result


def gelu(x: Floats) -> None:
    """Exact GELU in place, ``x * (1 + erf(x / sqrt(2))) / 2`` of each number, with an error below 1e-6.

    Args:
        x: float32, contiguous, of any shape.

    Source:
        erf: Abramowitz and Stegun, formula 7.1.26 (error below 1.5e-7).
    """
    flat = x.reshape(-1)
    scratch = np.empty((3, min(_GELU_BLOCK, flat.size)), np.float32)
    for start in range(0, flat.size, _GELU_BLOCK):
        part = flat[start : start + _GELU_BLOCK]
        size, t, tail = scratch[:, : part.size]
        np.abs(part, out=size)
        np.multiply(size, _ERFC_SCALE, out=t)
        t += np.float32(1)
        np.divide(np.float32(1), t, out=t)
        np.multiply(t, _HALF_ERFC[0], out=tail)
        for coefficient in _HALF_ERFC[1:]:
            tail += coefficient
            tail *= t
        tail *= size
        size *= size
        size *= np.float32(-0.5)
        np.exp(size, out=size)
        tail *= size  # |x| * erfc(|x| / sqrt(2)) / 2
        np.maximum(part, 0, out=part)
        part -= tail


def _linear_of(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return np.ascontiguousarray(weights[name + ".weight"].T), weights[name + ".bias"]


def _norm_of(weights: Mapping[str, Floats], name: str) -> tuple[Floats, Floats]:
    return weights[name + ".weight"], weights[name + ".bias"]


def _normalise(x: Floats, norm: tuple[Floats, Floats]) -> None:
    """Layer normalisation in place: float32 (tokens, 384)."""
    x -= x.mean(axis=-1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(DIMENSIONS)
    x /= np.sqrt(variance + np.float32(LAYER_NORM_EPSILON))
    x *= norm[0]
    x += norm[1]
