"""Tasks that crash, hang or raise cost only themselves."""

from __future__ import annotations

import operator
import os
import time

from routenator.engine.domain.worker_pool import run_in_workers


def test_every_task_has_one_outcome() -> None:
    outcomes = list(run_in_workers(operator.neg, range(50), workers=2, timeout_s=20))
    assert sorted((o.task, o.result, o.error) for o in outcomes) == [(i, -i, None) for i in range(50)]


def test_no_tasks_start_no_processes() -> None:
    assert list(run_in_workers(operator.neg, [], workers=2, timeout_s=20)) == []


def test_what_the_work_raises_is_the_outcomes_error() -> None:
    (outcome,) = run_in_workers(os.listdir, ["/nowhere"], workers=1, timeout_s=20)
    assert outcome.result is None
    assert "No such file" in (outcome.error or "")


def test_a_process_that_dies_costs_its_task_only() -> None:
    outcomes = list(run_in_workers(os._exit, [7, 8], workers=1, timeout_s=20))
    assert [outcome.error for outcome in outcomes] == [f"its process died (exit code {code})" for code in (7, 8)]


def test_a_task_that_hangs_is_killed() -> None:
    # A new process has its start-up on top of the limit, so the first task is a short one.
    started = time.monotonic()
    outcomes = list(run_in_workers(time.sleep, [0, 1000, 0], workers=1, timeout_s=0.5))
    assert [outcome.error for outcome in outcomes] == [None, "it took longer than 0.5 s", None]
    assert time.monotonic() - started < 60


def test_a_task_that_wants_all_memory_is_refused() -> None:
    (outcome,) = run_in_workers(bytes, [8_000_000_000], workers=1, timeout_s=20)
    assert outcome.error == "MemoryError"


def test_the_workers_end_when_the_caller_stops_early() -> None:
    import multiprocessing

    outcomes = run_in_workers(operator.neg, range(50), workers=2, timeout_s=20)
    next(outcomes)
    outcomes.close()
    assert multiprocessing.active_children() == []
