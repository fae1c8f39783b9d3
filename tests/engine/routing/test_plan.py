import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.routing.fitting import FittedTable
from routenator.engine.routing.permutation import Permutation
from routenator.engine.routing.plan import Plan
from routenator.engine.routing.quotas import allocate_rows
from routenator.engine.sample import Stratum

ALL_AXES = ("route", "function", "category", "length")


@st.composite
def fitted_tables(draw: st.DrawFn, axes: tuple[str, ...] | None = None) -> FittedTable:
    axes = axes or ALL_AXES[: draw(st.integers(1, 4))]
    values = [[f"{axis}{i}" for i in range(draw(st.integers(1, 5)))] for axis in axes]
    cells = list(itertools.product(*values))
    weights = draw(st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.0, 1e-7, 0.3]), min_size=len(cells), max_size=len(cells)))
    if not any(weights):
        weights[-1] = 1.0
    kept = [i for i, weight in enumerate(weights) if weight]
    shares = np.array([weights[i] for i in kept])
    return FittedTable(axes, tuple(cells[i] for i in kept), shares / shares.sum())


def prefix_sums(table: FittedTable, amounts: list[float], depth: int) -> dict[tuple[str, ...], float]:
    total: dict[tuple[str, ...], float] = {}
    for cell, amount in zip(table.cells, amounts, strict=True):
        total[cell[:depth]] = total.get(cell[:depth], 0) + amount
    return total


@given(table=fitted_tables(), rows=st.integers(0, 3000))
@settings(max_examples=200, deadline=None)
def test_counts_are_within_one_row_of_their_share_at_every_level(table: FittedTable, rows: int) -> None:
    counts = allocate_rows(table, rows).tolist()
    assert sum(counts) == rows
    assert min(counts) >= 0
    for depth in range(1, len(table.axes) + 1):
        wanted = prefix_sums(table, (table.shares * rows).tolist(), depth)
        for prefix, count in prefix_sums(table, counts, depth).items():
            assert abs(count - wanted[prefix]) < 1 + 1e-9


def test_counts_are_exact_for_a_billion_rows() -> None:
    shares = np.array([1 / 3, 1 / 7, 1 - 1 / 3 - 1 / 7])
    counts = allocate_rows(FittedTable(("route",), (("a",), ("b",), ("c",)), shares), 10**9)
    assert counts.sum() == 10**9
    assert (abs(counts - shares * 10**9) < 1).all()


def test_a_share_that_is_a_whole_number_of_rows_gets_that_number() -> None:
    cells = tuple(itertools.product(("a", "b"), ("x", "y", "z")))
    shares = np.array([0.15, 0.15, 0.3, 0.1, 0.1, 0.2])
    assert allocate_rows(FittedTable(("route", "function"), cells, shares), 100).tolist() == [15, 15, 30, 10, 10, 20]


def test_an_inner_axis_is_balanced_although_each_of_its_cells_is_a_fraction_of_a_row() -> None:
    # 0.4 rows for each cell: rounding the tree from left to right would favour the same length in every category.
    cells = tuple(itertools.product(("r",), ("f",), [f"c{i}" for i in range(100)], ("short", "middle", "long")))
    table = FittedTable(ALL_AXES, cells, np.full(300, 1 / 300))
    counts = allocate_rows(table, 120)
    assert np.abs(counts.reshape(100, 3).sum(axis=0) - 40).max() <= 1


@given(
    first=fitted_tables(axes=("route", "function", "category")),
    second=fitted_tables(axes=("language", "length")),
    rows=st.integers(1, 300),
    seed=st.integers(0, 2**62),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_order_of_work_gives_the_planned_counts(
    first: FittedTable, second: FittedTable, rows: int, seed: int, data: st.DataObject
) -> None:
    slots = data.draw(st.permutations(range(rows)))
    plan = Plan((first, second), rows, seed)
    shuffled = {slot: plan.stratum(slot) for slot in slots}
    again = Plan((first, second), rows, seed)
    assert [again.stratum(slot) for slot in range(rows)] == [shuffled[slot] for slot in range(rows)]
    strata = shuffled.values()
    assert Counter((s.route, s.function, s.category) for s in strata) == plan.counts()[0]
    assert Counter((s.language, s.length) for s in strata) == plan.counts()[1]
    assert Counter(s.length for s in strata) == plan.expected_counts("length")


def make_plan(rows: int, seed: int = 1) -> Plan:
    joint = FittedTable(
        ALL_AXES[:3], (("text", "search", "icon"), ("vision", "search", "icon")), np.array([0.75, 0.25])
    )
    language = FittedTable(("language",), (("de",), ("fr",), ("it",)), np.array([0.5, 0.3, 0.2]))
    return Plan((joint, language), rows, seed)


def test_axes_without_a_table_keep_their_defaults() -> None:
    assert make_plan(1).stratum(0) == Stratum("text", "search", "icon", "de")


def test_another_seed_deals_the_same_counts_to_other_slots() -> None:
    plan, other = make_plan(500, 1), make_plan(500, 2)
    assert plan.counts() == other.counts()
    assert [plan.stratum(i) for i in range(500)] != [other.stratum(i) for i in range(500)]


def test_tables_are_independent_of_each_other_and_of_the_slot() -> None:
    rows = 20_000
    plan = make_plan(rows)
    routes, languages = ["text", "vision"], ["de", "fr", "it"]
    observed = np.zeros((2, 3, 10))
    for slot in range(rows):
        stratum = plan.stratum(slot)
        observed[routes.index(stratum.route), languages.index(stratum.language), slot * 10 // rows] += 1
    expected = np.einsum("r,l,s->rls", [0.75, 0.25], [0.5, 0.3, 0.2], [rows / 10] * 10)
    # 60 cells with fixed margins leave 47 degrees of freedom; 82.7 is their 99.9th percentile.
    assert ((observed - expected) ** 2 / expected).sum() < 82.7


@pytest.mark.parametrize("slot", [-1, 10])
def test_a_slot_outside_the_plan_is_refused(slot: int) -> None:
    with pytest.raises(IndexError):
        make_plan(10).stratum(slot)


def test_a_plan_of_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        make_plan(0)


@given(size=st.integers(1, 2000), key=st.integers())
@settings(max_examples=60, deadline=None)
def test_a_permutation_is_a_bijection(size: int, key: int) -> None:
    permutation = Permutation(size, key)
    assert sorted(map(permutation, range(size))) == list(range(size))


def test_a_permutation_of_a_billion_points_stays_inside_and_does_not_repeat() -> None:
    permutation = Permutation(10**9, 3)
    images = {permutation(point) for point in range(0, 10**9, 200_003)}
    assert len(images) == len(range(0, 10**9, 200_003))
    assert min(images) >= 0
    assert max(images) < 10**9


def test_permutations_reach_every_order_about_equally_often() -> None:
    orders = Counter(tuple(map(Permutation(4, key), range(4))) for key in range(2400))
    # 24 orders, 23 degrees of freedom, 99.9th percentile.
    assert sum((count - 100) ** 2 / 100 for count in orders.values()) + 100 * (24 - len(orders)) < 49.7
