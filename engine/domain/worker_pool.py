"""Processes that run one task at a time and may be killed: a crash or a hang costs one task, never the whole job."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

MAX_WORKER_BYTES = 2_000_000_000
"""Address space of a worker: a document that wants more is refused by the system, not by the machine's collapse."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Task, Result]):
    """What became of a task: a result, or the reason why there is none."""

    task: Task
    result: Result | None
    error: str | None


def run_in_workers(
    work: Callable[[Task], Result], tasks: Iterable[Task], *, workers: int, timeout_s: float
) -> Generator[Outcome[Task, Result], None, None]:
    """Run ``work`` over ``tasks``; outcomes come as they are ready.

    Args:
        work: A function of a module, so that a new process finds it. What it raises becomes the outcome's error.
        tasks: Must be picklable, as the results must.
        workers: Processes.
        timeout_s: A task that takes longer is killed.

    The workers end with the generator, also when it is closed early.
    """
    waiting = deque(tasks)
    pool = [_Worker(work) for _ in range(min(workers, len(waiting)))]
    try:
        for worker in pool:
            worker.give(waiting.popleft(), timeout_s)
        while busy := [worker for worker in pool if worker.deadline is not None]:
            pause = max(0.0, min(worker.deadline or 0.0 for worker in busy) - time.monotonic())
            ready = set(wait([worker.link for worker in busy], pause))
            for worker in busy:
                if worker.link in ready:
                    yield worker.collect()
                elif worker.deadline is not None and worker.deadline <= time.monotonic():
                    yield worker.give_up(f"it took longer than {timeout_s:g} s")
                else:
                    continue
                if waiting:
                    worker.give(waiting.popleft(), timeout_s)
    finally:
        for worker in pool:
            worker.stop()


class _Worker:
    """One process and what it is working on."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self._task: Any = None
        self.deadline: float | None = None
        self._start()

    def _start(self) -> None:
        # Spawned, not forked: the parent may have threads, such as a progress bar's.
        context = multiprocessing.get_context("spawn")
        self.link, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._work, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._is_new = True

    def give(self, task: Any, timeout_s: float) -> None:
        self._task = task
        # A new process first imports what it needs.
        self.deadline = time.monotonic() + timeout_s + (30.0 if self._is_new else 0.0)
        self._is_new = False
        with contextlib.suppress(BrokenPipeError):  # it has just died: collect() finds the pipe's end
            self.link.send(task)

    def collect(self) -> Outcome[Any, Any]:
        try:
            result, error = self.link.recv()
        except (EOFError, OSError):
            self._process.join(5)
            return self.give_up(f"its process died (exit code {self._process.exitcode})")
        self.deadline = None
        return Outcome(self._task, result, error)

    def give_up(self, reason: str) -> Outcome[Any, Any]:
        task = self._task
        self.stop()
        self._start()
        return Outcome(task, None, reason)

    def stop(self) -> None:
        self.deadline = None
        self.link.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(work: Callable[[Any], Any], link: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    # A renderer that dies writes its own stack trace; the parent says it in a sentence.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            task = link.recv()
        except EOFError:
            return
        try:
            answer: tuple[Any, str | None] = (work(task), None)
        except Exception as exc:
            answer = (None, str(exc) or type(exc).__name__)
        link.send(answer)
