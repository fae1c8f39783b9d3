"""A keyed bijection on 0..n-1, so that any slot's place in the plan is computed alone."""

from __future__ import annotations

from math import isqrt

from routenator.engine.sample import derive_seed

_ROUNDS = 8
_MASK = (1 << 64) - 1


class Permutation:
    """A pseudo-random permutation of ``range(size)`` in O(1) memory.

    An additive Feistel network over ``a`` × ``b`` >= ``size`` with cycle walking. ``a`` and ``b`` are chosen so that
    fewer than ``a`` points lie outside, so a second walk is rare.

    Source:
        Black and Rogaway (2002), "Ciphers with arbitrary finite domains".
    """

    def __init__(self, size: int, *key: int | str) -> None:
        """Key the permutation.

        Args:
            size: Number of points, at least 1.
            key: Parts of the key; the same parts give the same permutation in any process.
        """
        if size < 1:
            raise ValueError("a permutation needs at least one point")
        self.size = size
        self._left = isqrt(size - 1) + 1
        self._right = -(-size // self._left)
        self._keys = tuple(
            (derive_seed("left", number, *key), derive_seed("right", number, *key)) for number in range(_ROUNDS // 2)
        )

    def __len__(self) -> int:
        return self.size

    def __call__(self, point: int) -> int:
        """Where ``point`` goes.

        Raises:
            IndexError: ``point`` is not in ``range(size)``.
        """
        if not 0 <= point < self.size:
            raise IndexError(f"{point} is not in 0..{self.size - 1}")
        left_size, right_size = self._left, self._right
        while True:
            left, right = divmod(point, right_size)
            for left_key, right_key in self._keys:
                mixed = ((right ^ left_key) * 0xBF58476D1CE4E5B9) & _MASK
                mixed = ((mixed ^ (mixed >> 29)) * 0x94D049BB133111EB) & _MASK
                left = (left + (mixed >> 20)) % left_size
                mixed = ((left ^ right_key) * 0xBF58476D1CE4E5B9) & _MASK
                mixed = ((mixed ^ (mixed >> 29)) * 0x94D049BB133111EB) & _MASK
                right = (right + (mixed >> 20)) % right_size
            point = left * right_size + right
            if point < self.size:
                return point
