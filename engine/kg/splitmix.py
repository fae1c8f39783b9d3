"""A pseudo-random stream that costs nothing to start; `random.Random` takes longer to seed than a walk takes."""

from __future__ import annotations

_MASK = (1 << 64) - 1


class SplitMix64:
    """SplitMix64; the same seed gives the same stream on any machine.

    Source:
        Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def draw(self) -> float:
        """The next number in [0, 1), with 53 random bits."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((state ^ (state >> 31)) >> 11) * (1.0 / (1 << 53))
