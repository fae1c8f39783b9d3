"""Population targets as the user writes them: which tables the dataset must match.

`routenator.engine.routing.fitting` turns them into fitted joint tables; `routenator.engine.routing.plan` deals them out
to slots.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from routenator.engine.config import Strict
from routenator.engine.sample import AXES

REQUIRED_AXES: tuple[str, ...] = ("route", "function", "category")
PHRASINGS: tuple[str, ...] = ("fragment", "imperative", "question")
CASINGS: tuple[str, ...] = ("lower", "sentence", "title", "upper", "mixed")
NOISES: tuple[str, ...] = ("none", "typo")
PUNCTUATIONS: tuple[str, ...] = ("none", "final")
"""Whether a query ends with a full stop, or a question mark."""
KEYWORD_POSITIONS: tuple[str, ...] = ("start", "middle", "end", "absent")
LENGTH_BAND = re.compile(r"^(\d{1,3})-(\d{1,3})$")

Shares = dict[str, Any]
"""Nested mapping, one level for each axis; the leaves are weights >= 0."""


def parse_length_band(band: str) -> tuple[int, int]:
    """``"4-6"`` → ``(4, 6)``: words, both ends included.

    Raises:
        ValueError: Not of that form, or empty.
    """
    match = LENGTH_BAND.match(band)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"a length band is written as words from-to, such as 4-6 (got {band!r})")
    return int(match[1]), int(match[2])


def place_of_keyword(start: int, stop: int, words: int) -> str:
    """Keyword position of a phrase that covers ``start:stop`` of a query of ``words`` words.

    The centre of the phrase, as a share of the query, decides: up to 1/3 ``start``, from 2/3 ``end``, else ``middle``.
    In a query of one or two words the first is the ``start``; a phrase that is the whole query is at its ``start``.
    """
    if words <= 2:
        return "start" if start == 0 else "end"
    if start == 0 and stop == words:
        return "start"
    # Thirds in whole numbers: centre / words <= 1/3.
    sixths = 3 * (start + stop)
    if sixths <= 2 * words:
        return "start"
    return "end" if sixths >= 4 * words else "middle"


class Marginal(Strict):
    """Observed shares over some axes of a table.

    Without ``given`` the weights are normalised over the whole mapping. With ``given`` the outer levels of ``shares``
    are the given axes and the weights are normalised inside each of their cells: a conditional distribution.
    """

    axes: tuple[str, ...] = Field(min_length=1)
    given: tuple[str, ...] = ()
    shares: Shares


class Table(Strict):
    """One joint target. Axes of different tables are independent by construction."""

    axes: tuple[str, ...] = Field(min_length=1)
    """Outermost first: counts are rounded in this order, so that every prefix is within one row of its share."""
    marginals: tuple[Marginal, ...] = Field(min_length=1)
    zero: tuple[dict[str, tuple[str, ...]], ...] = ()
    """Cells that cannot occur: each entry maps axes to values; a cell that matches all of them gets no rows."""

    @field_validator("zero", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return [
            {axis: (v,) if isinstance(v, str) else v for axis, v in entry.items()} if isinstance(entry, dict) else entry
            for entry in value
        ]

    @model_validator(mode="after")
    def _axes_known(self) -> Table:
        for axis in self.axes:
            if axis not in AXES:
                raise ValueError(f"unknown axis {axis!r}; the axes are {', '.join(AXES)}")
        if len(set(self.axes)) != len(self.axes):
            raise ValueError("an axis is named twice")
        covered: set[str] = set()
        for marginal in self.marginals:
            named = (*marginal.given, *marginal.axes)
            for axis in named:
                if axis not in self.axes:
                    raise ValueError(f"a marginal names axis {axis!r}, which is not one of the table's axes")
            if len(set(named)) != len(named):
                raise ValueError("a marginal names an axis twice")
            covered.update(named)
        if missing := set(self.axes) - covered:
            raise ValueError(f"no marginal speaks of axis {sorted(missing)[0]!r}")
        return self


class Targets(Strict):
    """``targets.yaml``: tables over disjoint axes that together cover at least route, function and category."""

    tables: tuple[Table, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _axes_disjoint(self) -> Targets:
        seen: set[str] = set()
        for table in self.tables:
            if twice := seen & set(table.axes):
                raise ValueError(f"axis {sorted(twice)[0]!r} stands in two tables; declare one joint table")
            seen.update(table.axes)
        if missing := [axis for axis in REQUIRED_AXES if axis not in seen]:
            raise ValueError(f"no table speaks of axis {missing[0]!r}")
        return self
