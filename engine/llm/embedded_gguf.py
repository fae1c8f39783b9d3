"""Rewrite a GGUF file's Q4_1 tensors as Q8_0, which llama.cpp multiplies much faster on a CPU.

The packaged model is Q4_1, for which llama.cpp has no fast matrix product on x86: each token of a batch unpacks the
weights anew. Every Q4_1 block (16 levels) fits into a Q8_0 block (255 levels) with an error of at most 1/254 of the
block's largest weight, far below what Q4_1 itself has lost. Everything else in the file is copied byte for byte.

Source:
    GGUF specification, version 3 (ggml, ``docs/gguf.md``); block layouts of ggml's ``ggml-common.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = b"GGUF"
VERSION = 3
BLOCK_WEIGHTS = 32
"""Weights in one block of Q4_1 and of Q8_0."""

F32, Q4_1, Q8_0 = 0, 3, 8
Q4_1_BLOCK = np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("nibbles", "u1", 16)])
Q8_0_BLOCK = np.dtype([("scale", "<f2"), ("weights", "i1", 32)])

# Bytes of each fixed-size metadata value type, by GGUF's numbering; 8 is a string and 9 an array.
_VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def weights(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def bytes_as(self, kind: int) -> int:
        """Bytes of the tensor's data, were it stored as ``kind``."""
        if kind == F32:
            return self.weights * 4
        block = {Q4_1: Q4_1_BLOCK, Q8_0: Q8_0_BLOCK}[kind]
        return self.weights // BLOCK_WEIGHTS * block.itemsize

    @property
    def target(self) -> int:
        """Type of the tensor in the rewritten file."""
        return Q8_0 if self.kind == Q4_1 else self.kind


def requantize_blocks(blocks: NDArray[np.void]) -> NDArray[np.void]:
    """Turn Q4_1 blocks, shape (n,), into Q8_0 blocks, shape (n,)."""
    nibbles = blocks["nibbles"]
    levels = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32)  # low nibbles come first
    weights = levels * blocks["scale"].astype(np.float32)[:, None] + blocks["minimum"].astype(np.float32)[:, None]
    scale = np.abs(weights).max(axis=1, keepdims=True) / 127.0
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    result = np.empty(len(blocks), Q8_0_BLOCK)
    result["scale"] = scale[:, 0].astype("<f2")
    result["weights"] = np.rint(weights * inverse).astype(np.int8)
    return result


def rewrite_as_q8_0(source: Path, target: Path) -> None:
    """Write ``source`` to ``target`` with its Q4_1 tensors as Q8_0.

    Args:
        source: A GGUF file, version 3, little endian, of F32, Q4_1 and Q8_0 tensors.
        target: The new file; overwritten. The caller makes the write atomic.

    Raises:
        ValueError: Not such a file.
    """
    data: NDArray[np.uint8] = np.memmap(source, mode="r")
    view = data.data
    if bytes(view[:4]) != MAGIC or struct.unpack_from("<I", view, 4)[0] != VERSION:
        raise ValueError(f"{source} is not a GGUF file of version {VERSION}")
    tensor_count, pair_count = struct.unpack_from("<QQ", view, 8)
    pairs_end = 24
    for _ in range(pair_count):
        pairs_end = _skip_string(view, pairs_end)
        (kind,) = struct.unpack_from("<I", view, pairs_end)
        pairs_end = _skip_value(view, pairs_end + 4, kind)
    tensors = list(_read_tensors(view, pairs_end, tensor_count))
    names_end = pairs_end + sum(len(_describe(tensor, 0)) for tensor in tensors)
    if unknown := {tensor.kind for tensor in tensors} - {F32, Q4_1, Q8_0}:
        raise ValueError(f"{source} holds tensors of types {sorted(unknown)}, which are not rewritten")
    data_start = _align(names_end)
    with target.open("wb") as out:
        out.write(view[:pairs_end])
        offset = 0
        for tensor in tensors:
            out.write(_describe(tensor, offset))
            offset += _align(tensor.bytes_as(tensor.target))
        _pad(out)
        for tensor in tensors:
            start = data_start + tensor.offset
            raw = data[start : start + tensor.bytes_as(tensor.kind)]
            out.write(requantize_blocks(raw.view(Q4_1_BLOCK)).tobytes() if tensor.kind == Q4_1 else raw.tobytes())
            _pad(out)


def _read_tensors(view: memoryview, position: int, count: int) -> Iterator[_Tensor]:
    for _ in range(count):
        end = _skip_string(view, position)
        name = bytes(view[position + 8 : end])
        (axes,) = struct.unpack_from("<I", view, end)
        *shape, kind, offset = struct.unpack_from(f"<{axes}QIQ", view, end + 4)
        position = end + 4 + 8 * axes + 12
        yield _Tensor(name, tuple(shape), kind, offset)


def _describe(tensor: _Tensor, offset: int) -> bytes:
    """A tensor's entry in the rewritten file's index."""
    axes = len(tensor.shape)
    head = struct.pack("<Q", len(tensor.name)) + tensor.name
    return head + struct.pack(f"<I{axes}QIQ", axes, *tensor.shape, tensor.target, offset)


def _skip_string(view: memoryview, position: int) -> int:
    (length,) = struct.unpack_from("<Q", view, position)
    return int(position + 8 + length)


def _skip_value(view: memoryview, position: int, kind: int) -> int:
    if kind == _STRING:
        return _skip_string(view, position)
    if kind != _ARRAY:
        return position + _VALUE_BYTES[kind]
    item, count = struct.unpack_from("<IQ", view, position)
    position += 12
    if item in _VALUE_BYTES:
        return int(position + count * _VALUE_BYTES[item])
    for _ in range(count):
        position = _skip_value(view, position, item)
    return position


def _align(size: int) -> int:
    return -(-size // _DEFAULT_ALIGNMENT) * _DEFAULT_ALIGNMENT


def _pad(out: BinaryIO) -> None:
    out.write(bytes(_align(out.tell()) - out.tell()))
