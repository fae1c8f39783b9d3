"""The plan: which stratum each slot owns. Computed for any slot alone, so it needs no memory and no order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

from routenator.engine.routing.fitting import FittedTable
from routenator.engine.routing.permutation import Permutation
from routenator.engine.routing.quotas import allocate_rows
from routenator.engine.sample import Stratum

Cell = tuple[str, ...]

_REMEMBERED = 8192
"""Slots whose strata are at hand: a sample in flight asks for its own three times."""


class Plan:
    """Exact quotas dealt out to the slots ``range(rows)``.

    Each table's counts are laid out in tree order and read through a permutation of the table's own, so axes of
    different tables are independent. The plan is a function of tables, rows and seed alone. Memory grows with the
    tables' cells, not with the rows.
    """

    def __init__(self, tables: Sequence[FittedTable], rows: int, seed: int) -> None:
        """Round the tables to ``rows`` rows.

        Args:
            tables: Fitted tables over disjoint axes.
            rows: Rows to deliver, at least 1.
            seed: The run's seed.
        """
        if rows < 1:
            raise ValueError("a plan needs at least one row")
        self.tables = tuple(tables)
        self.rows = rows
        self.seed = seed
        self._allotted = [_Allotment(table, rows, seed, number) for number, table in enumerate(self.tables)]
        self._remembered = lru_cache(_REMEMBERED)(self._read)

    def stratum(self, slot: int) -> Stratum:
        """The stratum of ``slot``. Axes without a table keep the defaults of `Stratum`.

        Raises:
            IndexError: ``slot`` is not in ``range(rows)``.
        """
        return self._remembered(slot)

    def _read(self, slot: int) -> Stratum:
        fields: dict[str, Any] = {}
        for allotment in self._allotted:
            fields.update(allotment.read(slot))
        return Stratum(**fields)

    def counts(self) -> tuple[dict[Cell, int], ...]:
        """Planned rows of each cell, one mapping for each table; cells without rows are left out."""
        return tuple(allotment.counts for allotment in self._allotted)

    def expected_counts(self, axis: str) -> dict[str, int]:
        """Planned rows of each value of an axis, in tree order; empty when no table speaks of the axis."""
        sums: dict[str, int] = {}
        for table, counts in zip(self.tables, self.counts(), strict=True):
            if axis in table.axes:
                at = table.axes.index(axis)
                for cell, count in counts.items():
                    sums[cell[at]] = sums.get(cell[at], 0) + count
        return sums


class _Allotment:
    """One table's counts and the permutation through which slots read them."""

    def __init__(self, table: FittedTable, rows: int, seed: int, number: int) -> None:
        self._axes = table.axes
        self._permutation = Permutation(rows, seed, number)
        counts = allocate_rows(table, rows)
        kept = counts > 0
        self._cells = [cell for cell, is_kept in zip(table.cells, kept, strict=True) if is_kept]
        self._ends: list[int] = counts[kept].cumsum().tolist()

    @cached_property
    def counts(self) -> dict[Cell, int]:
        starts = [0, *self._ends[:-1]]
        return {c: end - start for c, start, end in zip(self._cells, starts, self._ends, strict=True)}

    def read(self, slot: int) -> zip[tuple[str, str]]:
        cell = self._cells[bisect_right(self._ends, self._permutation(slot))]
        return zip(self._axes, cell, strict=True)
