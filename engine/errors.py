"""What may go wrong, and what happens then.

Policy, written once:

* A bad *input* (pack, recipe, prompt, endpoints file) is found before anything is spent. Every fault is found in one
  pass, and each says the file, the line, the field, what is wrong and how to mend it. Exit code 2.
* A bad *sample* is data, not a crash: its error class and words go into its trace and its siblings go on.
* A bad *endpoint* costs attempts, never rows: the sample is recorded as failed and its slot stays open.
* A bad *run* (locked, changed, disk full, writer died) stops at once; whatever was committed stays usable. Exit code 3.
* Nobody sees a traceback for a mistake of their own.

```
RouteNatorError           what: str, retryable: bool = False, hint: str | None
├─ InputError             a list of faults: file, line, field, fix
│  ├─ ConfigError         recipe or endpoints file
│  ├─ PromptError         a template or a grammar
│  └─ DomainError         a domain pack
├─ SampleError            one sample's; `error_class` is stored with it
│  ├─ EndpointError       retryable for 408/409/429/5xx/time-outs, not for 400/401/403/404
│  │  ├─ AuthError        401/403: stops the run at once
│  │  └─ WrongModelError  404 or another model answered: pauses the endpoint
│  ├─ ParseError          the reply is not the JSON that was asked for
│  ├─ TruncatedError      the reply ended for want of room
│  ├─ DegenerateError     the reply is empty, or white space without end
│  ├─ ImageError          an image that cannot be sent
│  ├─ DeadEndError        no walk serves the stratum
│  └─ InternalError       a fault of ours that nobody foresaw
├─ RunError               the run's: locked, changed recipe, disk full, writer died
│  └─ NoRunError          the path holds no run: wrong input, exit code 2
└─ TrainingError          training cannot begin or go on: a package, a checkpoint, memory. Exit code 3
```
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in the user's files.

    Attributes:
        file: Path as the user would type it, or the name of a command-line option.
        message: What is wrong, with the offending value.
        fix: What to do about it, in the imperative.
        line: 1-based line in ``file``; ``None`` when the fault has no line (a missing file, a binary file).
        field: Dotted path of the key or the column, or ``None``.
    """

    file: str
    message: str
    fix: str
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        """``file:line: field: message. Fix.`` on one line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        field = f" {self.field}:" if self.field else ""
        return f"{where}:{field} {self.message}. {self.fix}"


class RouteNatorError(Exception):
    """Base of everything this package raises on purpose.

    Attributes:
        what: What happened, for the person at the terminal.
        retryable: Whether the same call may succeed later.
        hint: What to do next, or ``None``.
    """

    def __init__(self, what: str, *, retryable: bool = False, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.retryable = retryable
        self.hint = hint

    def __str__(self) -> str:
        return self.what if self.hint is None else f"{self.what}\n{self.hint}"


class InputError(RouteNatorError):
    """The user's files hold faults; all of them are listed at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigError(InputError):
    """A recipe or an endpoints file is wrong."""


class PromptError(InputError):
    """A prompt template or a grammar is wrong."""


class DomainError(InputError):
    """A domain pack is wrong."""


class SampleError(RouteNatorError):
    """One sample's error; recorded in its trace, its siblings go on.

    Attributes:
        requests: Every HTTP request of the failed call, as in `sample.Completion.requests`.
        partial_text: What the model had said when the call failed.
    """

    error_class = "sample"
    requests: tuple[dict[str, Any], ...] = ()
    partial_text: str = ""


class EndpointError(SampleError):
    """An endpoint could not answer.

    Attributes:
        status: HTTP status, or ``None`` when no answer came.
        retry_after_s: The server's own Retry-After in seconds, or ``None``.
    """

    error_class = "endpoint"

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, retryable=retryable, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s


class AuthError(EndpointError):
    """401 or 403: no retry, the run stops. The key is never in the message."""

    error_class = "auth"


class WrongModelError(EndpointError):
    """The server does not serve the model of the endpoints file."""

    error_class = "wrong_model"


class ParseError(SampleError):
    """The reply is not the JSON that was asked for. Counts as an attempt; the next prompt says what was wrong."""

    error_class = "parse"


class TruncatedError(SampleError):
    """The reply ended for want of room. Counts as an attempt; the next one gets more tokens."""

    error_class = "truncated"


class DegenerateError(SampleError):
    """The reply is empty or runs on in white space. Counts as an attempt."""

    error_class = "degenerate"


class ImageError(SampleError):
    """An image is missing, corrupt or too large to be decoded safely."""

    error_class = "image"


class DeadEndError(SampleError):
    """No walk through the knowledge graph serves the stratum."""

    error_class = "dead_end"


class InternalError(SampleError):
    """A fault of ours, or a value that nobody foresaw: the sample fails like any other, and its words say where."""

    error_class = "internal"

    @classmethod
    def at(cls, cause: Exception) -> Self:
        """What ``cause`` says, and the line of ours that it came through last."""
        frames = [f for f in traceback.extract_tb(cause.__traceback__) if f"{os.sep}routenator{os.sep}" in f.filename]
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return cls(f"{type(cause).__name__}: {cause}{place}")


class RunError(RouteNatorError):
    """The run cannot go on. What was committed stays usable."""


class NoRunError(RunError):
    """There is no run where the user said there was one."""


class TrainingError(RouteNatorError):
    """Training cannot begin or go on. Checkpoints that were written stay usable."""
