"""A file that is either whole or absent, whatever kills the process that writes it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from routenator.engine.errors import RunError


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Write to ``.<name>.tmp`` beside ``path``; fsync and rename when the block ends without an exception.

    A killed process leaves the temporary file at most, and the next write overwrites it.

    Raises:
        RunError: The file cannot be written; what was at ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        with suppress(OSError):
            temporary.unlink()
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Free some space or choose another path." if full else "Choose another path."
        raise RunError(f"{path} cannot be written: {exc.strerror or exc}", hint=hint) from exc
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
