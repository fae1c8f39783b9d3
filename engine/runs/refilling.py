"""Slots whose sample was rejected run again at once, in their next round, before new ones begin."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Self

from routenator.engine.sample import SampleKey, SampleRecord


class RefilledKeys(Iterator[SampleKey]):
    """The keys of a pass, with the refills that it turns out to need in between.

    So a pass has no tail for each round: the place of a rejected sample goes on with its slot. Samples that failed wait
    for the next pass: their endpoint may be in trouble, and their rounds would be used up for nothing.

    It may be asked again after it has come to its end: a sample that was in flight then may have been rejected since.

    Attributes:
        refills: Whether slots that have run are run again; may change at any time.

    Args:
        keys: The open slots.
        max_rounds: Refill rounds of a slot.
        refills: See above.
    """

    def __init__(self, keys: Iterator[SampleKey], max_rounds: int, *, refills: bool = True) -> None:
        self.refills = refills
        self._keys = keys
        self._max_rounds = max_rounds
        self._again: deque[SampleKey] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SampleKey:
        while True:
            key = self._again.popleft() if self._again else next(self._keys)
            if key.round == 0 or self.refills:
                return key

    def see(self, record: SampleRecord) -> None:
        """A sample of the pass has ended."""
        if record.verdict == "rejected" and record.key.round < self._max_rounds:
            self._again.append(SampleKey(record.key.slot, record.key.round + 1))
