"""Text to a terminal or a pipe without waiting for whoever reads it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOBase, UnsupportedOperation
from typing import TextIO, cast

MAX_WAITING = 100
"""Texts that wait to be written; what comes then is dropped."""
PATIENCE_S = 0.1
"""Seconds that a text may take before its reader counts as held up, and is waited for no more."""
DRAIN_S = 2.0
"""Seconds that a reader has at the end for what still waits."""


class BackgroundStream(TextIOBase):
    """A stream that a thread writes.

    A terminal that was halted by Ctrl-S, a pipe that nobody reads, or whose reader has gone, must not hold up or end a
    run, nor its answer to Ctrl-C. A reader that keeps up is waited for, so that two streams to one terminal stay in
    their order.

    Args:
        descriptor: Of the open file.
        encoding: Of the text.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_idle = True
        self._is_held_up = False
        threading.Thread(target=self._write_all, name="background-stream", daemon=True).start()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        """As of any text stream."""
        return self._encoding

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Hand ``text`` over."""
        with self._changed:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(text.encode(self._encoding, "backslashreplace"))
                self._is_idle = False
                self._changed.notify_all()
            self._is_held_up = not self._wait(0 if self._is_held_up else PATIENCE_S)
        return len(text)

    def drain(self) -> None:
        """Return when all is written, after `DRAIN_S` seconds at most."""
        with self._changed:
            self._wait(DRAIN_S)

    def _wait(self, timeout_s: float) -> bool:
        return self._changed.wait_for(lambda: self._is_idle, timeout_s)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._is_idle = not self._waiting
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                data = self._waiting.popleft()
            with suppress(OSError):  # its reader has gone
                while data:
                    data = data[os.write(self._descriptor, data) :]


@contextmanager
def patient(stream: TextIO, encoding: str | None = None) -> Iterator[TextIO]:
    """``stream`` as a `BackgroundStream`, or as it is where no descriptor stands behind it.

    Args:
        stream: Standard output or standard error.
        encoding: In place of the stream's own.
    """
    try:
        background = BackgroundStream(stream.fileno(), encoding or stream.encoding)
    except (UnsupportedOperation, AttributeError):  # a test's, or closed
        yield stream
        return
    stream.flush()
    try:
        yield cast("TextIO", background)
    finally:
        background.drain()
