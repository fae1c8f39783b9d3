"""The order of work: prompts that begin alike one after another, everything else where it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.runs.ordering import BLOCK_SLOTS, group_prefixes
from routenator.engine.sample import SampleKey

prefixes = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=60)


def order(of: list[str | None]) -> list[int]:
    return [key.slot for key in group_prefixes(map(SampleKey, range(len(of))), lambda key: of[key.slot])]


@given(prefixes)
def test_every_slot_comes_once(of: list[str | None]) -> None:
    assert sorted(order(of)) == list(range(len(of)))


@given(prefixes)
def test_slots_without_a_model_stay_and_the_others_are_grouped(of: list[str | None]) -> None:
    ordered = order(of)
    assert all(slot == place for place, slot in enumerate(ordered) if of[slot] is None)
    asked = [of[slot] for slot in ordered if of[slot] is not None]
    assert asked == sorted(asked, key=str)


def test_blocks_are_ordered_by_themselves_so_that_the_first_comes_soon() -> None:
    taken: list[int] = []

    def keys():  # type: ignore[no-untyped-def]
        for slot in range(3 * BLOCK_SLOTS):
            taken.append(slot)
            yield SampleKey(slot)

    next(group_prefixes(keys(), lambda key: None))
    assert len(taken) == BLOCK_SLOTS
