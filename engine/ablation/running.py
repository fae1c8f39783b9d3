"""Run the steps, each as a process of its own: a kill leaves what it can go on from, and its memory is given back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from routenator.engine.ablation.estimate import estimate_step
from routenator.engine.ablation.folder import AblationFolder
from routenator.engine.ablation.steps import Step
from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.stop_signals import stop_signals

_LOOK_EVERY_S = 0.1
_TAIL_LINES = 12
_TAIL_BYTES = 8_000


class Listener(Protocol):
    """Is told how the work goes on."""

    def begins(self, step: Step, number: int, total: int, expected_s: float, left_s: float) -> None:
        """``step`` begins, ``number`` of ``total``; it and all that is left are expected to take so long."""

    def works(self, elapsed_s: float) -> None:
        """The step has worked for ``elapsed_s``."""

    def ends(self, step: Step, elapsed_s: float, left_s: float, problem: str | None) -> None:
        """The step has ended; ``problem`` says why it failed."""

    def is_stopped(self) -> None:
        """The user asked to stop; the step has been told and is waited for."""


@dataclass
class Outcome:
    """How the work ended.

    Attributes:
        failed: Name of a step → what its log says last.
        waiting: Steps that could not begin, because one that they need has failed.
        interrupted: The user stopped it.
    """

    failed: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    interrupted: bool = False


class _Stop:
    """Hands the user's signals on to the step at work."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._asked = False
        self.child: subprocess.Popen[bytes] | None = None
        self._tell = tell

    def is_asked(self) -> bool:
        """Whether the user wants to stop."""
        return self._asked

    def on_signal(self, number: int, frame: object) -> None:
        """Ask the step to stop; asked again, it leaves at once, as each of our commands does."""
        self._asked = True
        if self.child is not None:
            self.child.send_signal(signal.SIGINT)
            self._tell()


def run_steps(steps: Sequence[Step], folder: AblationFolder, listener: Listener) -> Outcome:
    """Run every step that is not done; one that fails holds up only those that need it.

    Args:
        steps: In their order.
        folder: Takes the records.
        listener: Is told.
    """
    outcome = Outcome()
    todo = [step for step in steps if folder.condition(step)[0] != "done"]
    with _signals(listener.is_stopped) as stop:
        for number, step in enumerate(todo, 1):
            if stop.is_asked():
                break
            if any(name in outcome.failed or name in outcome.waiting for name in step.needs):
                outcome.waiting.append(step.name)
                continue
            expected_s = estimate_step(step, steps, folder.records).seconds
            listener.begins(step, number, len(todo), expected_s, _left(todo[number - 1 :], steps, folder))
            began = time.monotonic()
            problem = _run_step(step, folder, stop, listener)
            if stop.is_asked() and problem is not None:
                break
            if problem is not None:
                outcome.failed[step.name] = problem
            listener.ends(step, time.monotonic() - began, _left(todo[number:], steps, folder), problem)
        outcome.interrupted = stop.is_asked()
    return outcome


def _left(todo: Sequence[Step], steps: Sequence[Step], folder: AblationFolder) -> float:
    return sum(estimate_step(step, steps, folder.records).seconds for step in todo)


def _run_step(step: Step, folder: AblationFolder, stop: _Stop, listener: Listener) -> str | None:
    """Run one step to its end and record it; what is wrong with it, or ``None``."""
    if folder.condition(step)[0] in ("changed", "new") and step.folder.exists():
        shutil.rmtree(step.folder)
    for path, content in step.files.items():
        with atomic_file(path) as file:
            file.write(content.encode())
    step.log.parent.mkdir(parents=True, exist_ok=True)
    folder.begin(step)
    began = time.monotonic()
    with step.log.open("ab") as log:
        start = log.tell()
        log.write(f"$ {' '.join(step.command)}\n".encode())
        log.flush()
        # In a group of its own: the terminal's Ctrl-C must not reach it twice.
        child = subprocess.Popen(  # noqa: S603
            step.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=(folder.lock,),
        )
        stop.child = child
        if stop.is_asked():
            child.send_signal(signal.SIGINT)
        while True:
            try:
                code = child.wait(_LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                listener.works(time.monotonic() - began)
        stop.child = None
    problem = None
    if code != 0:
        problem = f"{_read_tail(step.log, start)}\n(exit code {code}; the whole log: {step.log})".strip()
    elif not step.result.is_file():
        problem = f"it ended without {step.result}"
    folder.end(step, time.monotonic() - began, finished=problem is None, problem=None if stop.is_asked() else problem)
    return problem


def _read_tail(log: Path, start: int) -> str:
    """The last lines of what was logged from ``start`` on, without the command."""
    with log.open("rb") as file:
        file.seek(start)
        file.readline()
        file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join([line for line in lines if line.strip()][-_TAIL_LINES:])


@contextmanager
def _signals(tell: Callable[[], None]) -> Iterator[_Stop]:
    stop = _Stop(tell)
    before = {number: signal.signal(number, stop.on_signal) for number in stop_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
