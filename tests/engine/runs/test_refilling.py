from dataclasses import replace

import pytest
from factories import make_record

from routenator.engine.runs.refilling import RefilledKeys
from routenator.engine.sample import SampleKey


def record_of(key, verdict):
    return replace(make_record(key.slot, verdict=verdict), key=key)


def test_a_rejected_slot_runs_again_before_new_ones_in_its_next_round():
    keys = RefilledKeys(iter([SampleKey(0), SampleKey(1)]), 4)
    first = next(keys)
    keys.see(record_of(first, "rejected"))
    assert list(keys) == [SampleKey(0, 1), SampleKey(1)]


def test_a_slot_that_is_rejected_after_the_last_key_still_runs_again():
    keys = RefilledKeys(iter([SampleKey(0)]), 4)
    first = next(keys)
    assert next(keys, None) is None
    keys.see(record_of(first, "rejected"))
    assert next(keys) == SampleKey(0, 1)
    assert next(keys, None) is None


@pytest.mark.parametrize("verdict", ["accepted", "failed"])
def test_what_was_accepted_or_failed_does_not_run_again_in_the_pass(verdict):
    keys = RefilledKeys(iter([SampleKey(0)]), 4)
    keys.see(record_of(next(keys), verdict))
    assert list(keys) == []


def test_rounds_come_to_an_end():
    keys = RefilledKeys(iter([SampleKey(0)]), 2)
    seen = []
    for key in keys:
        seen.append(key.round)
        keys.see(record_of(key, "rejected"))
    assert seen == [0, 1, 2]


def test_once_there_is_enough_only_slots_that_never_ran_are_run():
    keys = RefilledKeys(iter([SampleKey(0), SampleKey(1), SampleKey(2, 3), SampleKey(3)]), 4)
    keys.see(record_of(next(keys), "rejected"))
    keys.refills = False
    assert list(keys) == [SampleKey(1), SampleKey(3)]
