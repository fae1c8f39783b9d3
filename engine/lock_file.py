"""A file that one process locks and writes its number into, so that others can say who works there."""

from __future__ import annotations

import fcntl
import os


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process and those that inherit ``descriptor``, and note who did; ``False``: taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return True


def read_holder(descriptor: int) -> int | None:
    """The process that was noted last; it may have ended."""
    content = os.pread(descriptor, 32, 0).strip()
    return int(content) if content.isdigit() else None


def is_alive(pid: int) -> bool:
    """Whether a process has this number; it may be somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
