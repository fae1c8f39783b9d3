"""The terminal: two consoles, JSON output, and errors without tracebacks."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

from routenator.engine.display import show
from routenator.engine.errors import InputError, NoRunError, RouteNatorError

EXIT_OK = 0
EXIT_INCOMPLETE = 1  # the command worked, and says that something is missing or wrong
EXIT_INPUT = 2  # the user's input is at fault
EXIT_RUN = 3  # the run could not go on
EXIT_INTERRUPTED = 130

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Write ``value`` as one line of strict JSON (NaN becomes null) to standard output."""
    sys.stdout.buffer.write(json_line(value))
    sys.stdout.flush()


def json_line(value: Any) -> bytes:
    """``value`` as `print_json` writes it."""
    try:
        line = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # a lone surrogate, which has no UTF-8 form: written as its escape
        line = json.dumps(value, separators=(",", ":")).encode()
    return line + b"\n"


def write(text: str) -> None:
    """Plain text to standard output, as it is: for machines and pipes."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def say(message: str, style: str = "") -> None:
    """One line for the person at the terminal, on standard error, with unsafe characters escaped."""
    err.print(Text(show(message), style=style))


class SayHandler(logging.Handler):
    """Gives what modules log as warnings to the person at the terminal, without spoiling a live table."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Say one message."""
        self._tell(record.getMessage())


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn our errors into messages and exit codes."""
    try:
        yield
    except InputError as exc:
        count = len(exc.faults)
        say(f"{count} fault{'s' if count > 1 else ''} found:", style="bold red")
        for fault in exc.faults:
            say(f"  {fault}")
        sys.exit(EXIT_INPUT)
    except RouteNatorError as exc:
        say(exc.what, style="bold red")
        if exc.hint:
            say(exc.hint)
        sys.exit(EXIT_INPUT if isinstance(exc, NoRunError) else EXIT_RUN)
