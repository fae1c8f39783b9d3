"""A copy of the tiny pack that a test may break."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import DomainError, Fault

TINY = Path(__file__).parents[2] / "packs" / "tiny"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A fresh copy of the tiny pack."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


@pytest.fixture
def edit(tiny: Path) -> Callable[[str, str, str], int]:
    """``edit(file, old, new)`` replaces one place of a file and returns its 1-based line."""

    def replace(file: str, old: str, new: str) -> int:
        path = tiny / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{file} does not hold {old!r}"
        path.write_bytes(text.replace(old, new, 1).encode("utf-8"))
        return text[: text.index(old)].count("\n") + 1

    return replace


@pytest.fixture
def faults(tiny: Path) -> Callable[[], tuple[Fault, ...]]:
    """All faults of the copy; fails when there is none."""

    def load() -> tuple[Fault, ...]:
        with pytest.raises(DomainError) as caught:
            load_pack(tiny)
        return caught.value.faults

    return load


@pytest.fixture
def only_fault(faults: Callable[[], tuple[Fault, ...]]) -> Callable[[], Fault]:
    """The one fault of the copy; fails when there are more."""

    def load() -> Fault:
        found = faults()
        assert len(found) == 1, [str(fault) for fault in found]
        return found[0]

    return load


@pytest.fixture
def png_bomb() -> Callable[[int], bytes]:
    """``png_bomb(side)`` is a few bytes of PNG whose header promises ``side`` x ``side`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def make(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + body

    return make
