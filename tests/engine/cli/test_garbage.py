"""The garbage collector during a run."""

from __future__ import annotations

import gc
import weakref

from routenator.engine.cli.garbage import THRESHOLDS, collect_seldom


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_it_looks_seldom_and_not_at_what_was_there_before() -> None:
    before = gc.get_threshold()
    with collect_seldom():
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_cycles_that_a_run_makes_are_freed_while_it_runs() -> None:
    with collect_seldom():
        first = weakref.ref(Cycle())
        kept = [[] for _ in range(2 * THRESHOLDS[0])]
        assert first() is None
    assert len(kept) == 2 * THRESHOLDS[0]
