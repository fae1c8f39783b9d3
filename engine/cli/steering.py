"""Who stops a run, and how: signals to its process and the control socket, from its first moment to its last."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Literal

from routenator.engine.cli.console import EXIT_INTERRUPTED, err, say
from routenator.engine.errors import RunError
from routenator.engine.runs.coordinator import Coordinator
from routenator.engine.runs.states import RunState
from routenator.engine.runs.window import DRAIN_S
from routenator.engine.stop_signals import stop_signals

LEAVE_LIMIT_S = 4.0
"""Seconds that a second Ctrl-C leaves for the last commit."""


class Steering:
    """First stop signal: take nothing new. Second, or while nothing is in flight: leave at once.

    The control socket's commands come here too (`routenator.engine.runs.control.Controllable`). Made by the task that
    runs the run.

    Args:
        planned: Rows to deliver.

    Attributes:
        coordinator: The run at work, while there is one.
        idle_phase: What the process does while there is none.
        delivered: Route → accepted rows, as far as known while there is none.
    """

    def __init__(self, planned: int) -> None:
        self.coordinator: Coordinator | None = None
        self.idle_phase: Literal["loading", "writing"] = "loading"
        self.delivered: Mapping[str, int] = {}
        self._planned = planned
        self._task = asyncio.current_task()
        self._leaving = False

    def on_signal(self) -> None:
        """Drain or leave."""
        if self._leaving:
            return
        if self.coordinator is not None and not self.coordinator.is_stopping:
            self.coordinator.stop()
            say(f"Stopping: what is in flight has {DRAIN_S:.0f} s to end (Ctrl-C again to leave at once) …")
            return
        if self.coordinator is not None:
            say("Leaving: what is in flight is given up; everything that had ended is committed.")
        self._leave()

    def state(self) -> RunState:
        """How the run does; without workers while it loads or writes."""
        if self.coordinator is not None:
            return self.coordinator.state()
        return RunState(self.idle_phase, self._planned, {}, dict(self.delivered), {}, {}, 0.0, None, 0)

    def pause(self) -> None:
        """Begin no more samples; those in flight end."""
        self._at_work().pause()

    def resume(self) -> None:
        """Begin samples again."""
        self._at_work().resume()

    def stop(self) -> None:
        """End as after the first Ctrl-C."""
        if self.coordinator is not None:
            self.coordinator.stop()
        elif not self._leaving:
            self._leave()

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """Change how many samples may be in flight, over all workers."""
        self._at_work().set_max_in_flight(max_in_flight)

    def _at_work(self) -> Coordinator:
        if self.coordinator is not None:
            return self.coordinator
        if self.idle_phase == "loading":
            raise RunError("it still loads, and begins no sample yet; ask again once it is at work, or stop it")
        raise RunError("every sample has ended, and it writes its dataset")

    def _leave(self) -> None:
        self._leaving = True
        assert self._task is not None
        self._task.cancel()
        # Cancelling waits for the last commit; if something does not let go, leave all the same.
        asyncio.get_running_loop().call_later(LEAVE_LIMIT_S, _exit_now)


def steer(planned: int) -> Steering:
    """Stop signals go to the `Steering` of this task's run for as long as its event loop lives.

    Not for less: when the run has ended or is left, the loop still waits for threads, and Ctrl-C must not hit that.
    """
    loop = asyncio.get_running_loop()
    steering = Steering(planned)
    for number in stop_signals():
        loop.add_signal_handler(number, steering.on_signal)
    return steering


def _exit_now() -> None:
    err.show_cursor()
    sys.stderr.flush()
    # The kernel frees the lock, and the ledger loses nothing that it had confirmed.
    os._exit(EXIT_INTERRUPTED)
