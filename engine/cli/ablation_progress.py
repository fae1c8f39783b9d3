"""A line for each step of an ablation: what has begun, how long it took, how much is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

from rich.console import Console
from rich.status import Status

from routenator.engine.ablation.estimate import in_words
from routenator.engine.ablation.steps import Step
from routenator.engine.cli.console import say

_SAY_EVERY_S = 300.0
_UPDATE_EVERY_S = 1.0


class AblationProgress:
    """Says how the work goes on; see `routenator.engine.ablation.running.Listener`.

    Args:
        console: The terminal; a live line is shown if it is one.
        emit: Takes events as mappings; ``None``: nobody wants them.
    """

    def __init__(self, console: Console, emit: Callable[[dict[str, Any]], None] | None) -> None:
        self._emit = emit
        self._status = Status("", console=console) if console.is_terminal else None
        self._began_s = time.monotonic()
        self._what = ""
        self._next_s = 0.0
        self._left_s = 0.0

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._status is not None:
            self._status.stop()

    def begins(self, step: Step, number: int, total: int, expected_s: float, left_s: float) -> None:
        """Say it."""
        self._what, self._left_s = f"[{number}/{total}] {step.name}", left_s
        self._next_s = _UPDATE_EVERY_S if self._status is not None else _SAY_EVERY_S
        say(f"{self._what}: about {in_words(expected_s)}; {self._times()}. Log: {step.log}")
        if self._emit is not None:
            self._emit({"event": "begin", "step": step.name, "expected_s": expected_s, "left_s": left_s})

    def works(self, elapsed_s: float) -> None:
        """Show the time: in a terminal every second, elsewhere every five minutes."""
        if elapsed_s < self._next_s:
            return
        words = f"{self._what}: {in_words(elapsed_s)} so far"
        if self._status is not None:
            self._status.update(words.replace("[", r"\["))
            self._next_s += _UPDATE_EVERY_S
        else:
            say(words)
            self._next_s += _SAY_EVERY_S

    def ends(self, step: Step, elapsed_s: float, left_s: float, problem: str | None) -> None:
        """Say it."""
        self._left_s = left_s
        how = "failed after" if problem is not None else "done in"
        say(f"{self._what}: {how} {in_words(elapsed_s)}; {self._times()}.", "red" if problem is not None else "")
        if self._emit is not None:
            event = {"event": "end", "step": step.name, "seconds": elapsed_s, "left_s": left_s, "problem": problem}
            self._emit(event)

    def is_stopped(self) -> None:
        """Say that the step has been asked to end."""
        say("Stopping: the step at work has been told, and is waited for (Ctrl-C again to leave it at once) …")

    def _times(self) -> str:
        return f"{in_words(time.monotonic() - self._began_s)} gone, about {in_words(self._left_s)} left"
