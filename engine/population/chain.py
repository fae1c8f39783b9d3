"""The axes one after the other, each given those before it on which it depends.

Function first, then arguments and category within it, then how the query is worded. What an axis is given beside the
function is decided by Akaike's criterion, so a dependence that the sample cannot show makes no table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from routenator.engine.domain.pack import NO_CATEGORY
from routenator.engine.population.cells import ReachableCells
from routenator.engine.population.dependence import Dependence, measure_dependence
from routenator.engine.population.profile import NOT_NAMED
from routenator.engine.population.result import FittedAxis
from routenator.engine.population.shares import (
    Group,
    Observation,
    Share,
    beta_interval,
    conditional_shares,
    count_shares,
)
from routenator.engine.routing.targets import CASINGS, KEYWORD_POSITIONS, PHRASINGS, PUNCTUATIONS

Row = Mapping[str, str]
"""A query's value on each axis; ``present`` is its number of arguments, ``words`` its length."""


@dataclass
class Chain:
    """The axes that were fitted so far.

    Attributes:
        all_rows: Labelled rows, or unlabelled ones only.
        bands: Length bands, from short to long.
        axes: Axes that the targets know.
        is_labelled: Whether the rows have functions.
        joins_casing: Whether casing may be part of a joint table.
        fewest: Rows below which a combination of arguments is left out.
        fitted: In the order of the tables.
        dependences: Every test.
        zeros: Cells that cannot be.
        rows: Those whose combination of arguments is not left out.
    """

    all_rows: Sequence[Row]
    bands: Sequence[str]
    axes: Collection[str]
    is_labelled: bool
    joins_casing: bool = True
    fewest: int = 1
    fitted: list[FittedAxis] = field(default_factory=list)
    dependences: list[Dependence] = field(default_factory=list)
    zeros: list[Mapping[str, tuple[str, ...]]] = field(default_factory=list)
    rows: Sequence[Row] = ()
    _cells: ReachableCells = field(default_factory=ReachableCells)

    def __post_init__(self) -> None:
        self.rows = self.all_rows
        if self.is_labelled:
            combinations = Counter((row["function"], row["arguments"]) for row in self.rows)
            self.rows = [r for r in self.rows if combinations[r["function"], r["arguments"]] >= self.fewest]
            self._fit_labels()
        self._fit_length()
        self._fit_phrasing()
        if self.is_labelled and "keyword_position" in self.axes:
            self._fit_keyword_position()
        if "casing" in self.axes:
            self._fit_casing()
        if "punctuation" in self.axes:
            self._add("punctuation", (), PUNCTUATIONS)

    @property
    def _function(self) -> tuple[str, ...]:
        return ("function",) if self.is_labelled else ()

    def _fit_labels(self) -> None:
        functions = count_shares(Counter(row["function"] for row in self.all_rows))
        self._append(FittedAxis("function", (), functions))
        if "arguments" in self.axes:
            shares = [
                share
                for function in functions
                for share in count_shares(
                    Counter(row["arguments"] for row in self.rows if row["function"] == function.value),
                    (function.value,),
                )
            ]
            self._append(FittedAxis("arguments", ("function",), tuple(shares)))
        categories = [share for function in functions for share in self._categories_of(function.value)]
        self._append(FittedAxis("category", ("function",), tuple(categories)))

    def _categories_of(self, function: str) -> list[Share]:
        """Categories of one function; those that have no word in the pack are shared out among the others.

        The share of `NO_CATEGORY` is exactly that of the combinations without the category argument, so that the two
        marginals can be met at once.
        """
        rows = [row for row in self.rows if row["function"] == function]
        counts = Counter(row["category"] for row in rows)
        without, unnamed = counts.pop(NO_CATEGORY, 0), counts.pop(NOT_NAMED, 0)
        named = counts.total()
        if not named:
            without, unnamed = without + unnamed, 0
        found = [
            Share((function,), value, count, len(rows), count * (1 + unnamed / named) / len(rows),
                  *beta_interval(count + 0.5, len(rows) - count + 0.5))
            for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ]  # fmt: skip
        if without:
            interval = beta_interval(without + 0.5, len(rows) - without + 0.5)
            found.append(Share((function,), NO_CATEGORY, without, len(rows), without / len(rows), *interval))
        if named and without and "arguments" in self.axes:
            spoken = {row["arguments"] for row in rows if row["category"] != NO_CATEGORY}
            silent = {row["arguments"] for row in rows if row["category"] == NO_CATEGORY}
            self.zeros.append({"function": (function,), "arguments": tuple(sorted(spoken)), "category": (NO_CATEGORY,)})
            self.zeros.append({"function": (function,), "arguments": tuple(sorted(silent)), "category": tuple(counts)})
        return found

    def _fit_length(self) -> None:
        if "arguments" in self.axes and self.is_labelled and self._depends("length", "present", ("function",)):
            shortest: dict[tuple[str, int], int] = {}
            for row in self.rows:
                for fewer in range(int(row["present"]) + 1):
                    key = (row["function"], fewer)
                    shortest[key] = min(shortest.get(key, 999), int(row["words"]))
            present = {row["arguments"]: int(row["present"]) for row in self.rows}

            def is_possible(fine: tuple[str, ...], band: str) -> bool:
                # Nobody names so many things in fewer words than the shortest query that names as many.
                return int(band.partition("-")[2]) >= shortest[fine[0], present[fine[1]]]

            observations = [
                Observation((r["function"],), (r["present"],), (r["function"], r["arguments"]), r["length"])
                for r in self.rows
            ]
            shares, lean = conditional_shares(observations, self.bands, is_possible)
            self._append(FittedAxis("length", ("function", "arguments"), shares, lean))
        else:
            self._add("length", self._function, self.bands)

    def _fit_phrasing(self) -> None:
        on = self._strongest("phrasing", ("length",), self._function)
        self._add("phrasing", (*self._function, *on), PHRASINGS)

    def _fit_keyword_position(self) -> None:
        """Within function and category; the categories of a function lean on one another."""
        named = [row for row in self.rows if row["category"] not in (NO_CATEGORY, NOT_NAMED)]
        on = self._strongest("keyword_position", ("length", "phrasing"), ("function",), named)
        observations = []
        for row in self.rows:
            if row["category"] == NOT_NAMED:
                continue
            extra = tuple(row[axis] for axis in on)
            fine = (row["function"], row["category"], *extra)
            observations.append(Observation(_kind(fine), (fine[0], *extra), fine, row["keyword_position"]))
        self._add_conditional("keyword_position", ("function", "category", *on), observations, KEYWORD_POSITIONS)

    def _fit_casing(self) -> None:
        candidates = ("function", "phrasing", "length") if self.is_labelled else ("phrasing", "length")
        on = self._strongest("casing", candidates, ())
        self._add("casing", on if self.joins_casing else (), CASINGS)

    def _depends(self, axis: str, on: str, given: tuple[str, ...], rows: Sequence[Row] | None = None) -> bool:
        triples = [(tuple(r[a] for a in given), r[on], r[axis]) for r in (self.rows if rows is None else rows)]
        found = measure_dependence(axis, on, given, triples)
        self.dependences.append(found)
        return found.is_worth_it

    def _strongest(
        self, axis: str, candidates: Sequence[str], given: tuple[str, ...], rows: Sequence[Row] | None = None
    ) -> tuple[str, ...]:
        """The candidate on which ``axis`` depends most, if any is worth it."""
        before = len(self.dependences)
        worth = [on for on in candidates if self._depends(axis, on, given, rows)]
        gains = {found.on: found.gain for found in self.dependences[before:]}
        return (max(worth, key=gains.__getitem__),) if worth else ()

    def _add(self, axis: str, given: tuple[str, ...], order: Sequence[str]) -> None:
        """Shares within ``given``, each group leaning on all rows of its first axis' value, or on all rows."""
        if not given:
            shares = count_shares(Counter(row[axis] for row in self.rows))
            self._append(FittedAxis(axis, (), tuple(sorted(shares, key=lambda share: order.index(share.value)))))
            return
        coarse = given[:1] if len(given) > 1 else ()
        observations = [
            Observation((), tuple(row[a] for a in coarse), tuple(row[a] for a in given), row[axis]) for row in self.rows
        ]
        self._add_conditional(axis, given, observations, order)

    def _add_conditional(
        self, axis: str, given: tuple[str, ...], observations: Sequence[Observation], order: Sequence[str]
    ) -> None:
        """Shares for every group that can occur, also for those that the plan may ask for and no row showed."""
        shares, lean = conditional_shares(observations, order)
        reachable = self._cells.over(given)
        seen = {share.given for share in shares}
        counts: dict[Group, Counter[str]] = {}
        for one in observations:
            for key in ((*one.kind, *one.coarse), one.kind):
                counts.setdefault(key, Counter())[one.value] += 1
        borrowed = []
        for group in sorted(reachable - seen):
            kind = _kind(group) if axis == "keyword_position" else ()
            coarse = (group[0], *group[2:]) if axis == "keyword_position" else group[: len(given) > 1]
            found = counts.get((*kind, *coarse)) or counts[kind]
            lent = count_shares({value: found[value] for value in order if found[value]}, group)
            borrowed += [replace(share, rows=0, of=0) for share in lent]
        kept = [share for share in shares if share.given in reachable]
        self._append(FittedAxis(axis, given, (*kept, *borrowed), lean))

    def _append(self, fitted: FittedAxis) -> None:
        self.fitted.append(fitted)
        if fitted.given or len(self.fitted) == 1:
            zeros = self.zeros if fitted.axis == "category" else ()
            self._cells.extend(fitted.axis, fitted.given, fitted.shares, zeros)


def _kind(group: Group) -> Group:
    """Queries that name no category have no keyword, whatever the others do."""
    return ("without",) if group[1] == NO_CATEGORY else ("named",)
