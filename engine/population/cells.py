"""Cells of the joint table while its axes are fitted: which groups can occur, and how many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from routenator.engine.population.shares import Group, Share

MOST_CELLS = 100_000
"""More make a plan slow to deal out and a run's directory large."""


class TooManyCellsError(ValueError):
    """The joint table would have more than `MOST_CELLS` cells."""


class ReachableCells:
    """Combinations of values that have a share above zero, over the axes so far."""

    def __init__(self) -> None:
        self._axes: tuple[str, ...] = ()
        self._cells: list[Group] = [()]

    def over(self, axes: Sequence[str]) -> set[Group]:
        """The combinations over some of the axes."""
        at = [self._axes.index(axis) for axis in axes]
        return {tuple(cell[i] for i in at) for cell in self._cells}

    def extend(
        self,
        axis: str,
        given: Sequence[str],
        shares: Iterable[Share],
        zeros: Collection[Mapping[str, Collection[str]]] = (),
    ) -> None:
        """Add an axis; every combination of ``given`` that occurs must be among the groups of ``shares``.

        Raises:
            TooManyCellsError: There are too many now.
        """
        values: dict[Group, list[str]] = {}
        for share in shares:
            values.setdefault(share.given, []).append(share.value)
        at = [self._axes.index(name) for name in given]
        self._axes = (*self._axes, axis)
        ruled_out = [[(self._axes.index(name), set(some)) for name, some in zero.items()] for zero in zeros]
        self._cells = [
            (*cell, value)
            for cell in self._cells
            for value in values[tuple(cell[i] for i in at)]
            if not any(all((*cell, value)[i] in some for i, some in zero) for zero in ruled_out)
        ]
        if len(self._cells) > MOST_CELLS:
            raise TooManyCellsError(axis)
