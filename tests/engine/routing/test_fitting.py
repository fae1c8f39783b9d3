import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.routing.fitting import MAX_CELLS, TOLERANCE, UnsatisfiableTargets, fit_targets, without_route
from routenator.engine.routing.targets import Targets

ROUTES = {"heuristic": 3, "text": 5, "vision": 2}


def make_targets(
    *marginals: dict[str, Any], axes: tuple[str, ...] = ("route", "function", "category"), **table: Any
) -> Targets:
    return Targets.model_validate({"tables": [{"axes": axes, "marginals": list(marginals), **table}]})


def over(axes: str, shares: dict[str, Any], given: str = "") -> dict[str, Any]:
    return {"axes": axes.split(), "given": given.split(), "shares": shares}


def sums(table: Any, *axes: str) -> dict[tuple[str, ...], float]:
    at = [table.axes.index(axis) for axis in axes]
    total: dict[tuple[str, ...], float] = {}
    for cell, share in table.share_by_cell.items():
        key = tuple(cell[a] for a in at)
        total[key] = total.get(key, 0.0) + share
    return total


def faults_of(targets: Targets) -> list[Any]:
    with pytest.raises(UnsatisfiableTargets) as caught:
        fit_targets(targets)
    return caught.value.faults


def test_independent_marginals_give_their_product_in_tree_order() -> None:
    targets = make_targets(
        over("route", ROUTES), over("function", {"search": 1, "generate": 1}), over("category", {"image": 3, "icon": 1})
    )
    (table,) = fit_targets(targets)
    assert table.cells == tuple(itertools.product(ROUTES, ("search", "generate"), ("image", "icon")))
    assert table.share_by_cell["vision", "generate", "icon"] == pytest.approx(0.2 * 0.5 * 0.25)
    assert table.marginal("route") == pytest.approx({"heuristic": 0.3, "text": 0.5, "vision": 0.2})


def test_conditional_shares_hold_inside_each_given_cell() -> None:
    targets = make_targets(
        over("route", ROUTES),
        over("function", {"search": 0.7, "generate": 0.3}),
        over("category", {"search": {"image": 5, "video": 3}, "generate": {"image": 1, "icon": 1}}, given="function"),
        zero=[{"route": "vision", "category": "video"}],
    )
    (table,) = fit_targets(targets)
    by_function = sums(table, "function", "category")
    assert by_function["search", "video"] == pytest.approx(0.7 * 3 / 8, abs=TOLERANCE)
    assert by_function["generate", "icon"] == pytest.approx(0.15, abs=TOLERANCE)
    assert ("generate", "video") not in by_function
    assert ("vision", "video") not in sums(table, "route", "category")
    assert sums(table, "route")["vision",] == pytest.approx(0.2, abs=TOLERANCE)


def test_a_cell_that_the_marginals_force_to_zero_is_dropped() -> None:
    # Only one joint exists, on the border of what is allowed: plain sweeps would approach it as 1/sweeps.
    targets = make_targets(
        over("route", {"a": 1, "b": 1}),
        over("function", {"x": 1, "y": 1}),
        over("category", {"c": 1}),
        zero=[{"route": "a", "function": "x"}],
    )
    (table,) = fit_targets(targets)
    assert table.share_by_cell == pytest.approx({("a", "y", "c"): 0.5, ("b", "x", "c"): 0.5}, abs=1e-9)


def test_marginals_that_no_joint_satisfies_are_named_with_their_cells() -> None:
    targets = make_targets(
        over("route", {"a": 0.6, "b": 0.4}),
        over("function", {"x": 0.5, "y": 0.5}),
        over("category", {"c": 1}),
        zero=[{"route": "a", "function": "x"}],
    )
    (fault,) = faults_of(targets)
    assert fault.path == ("tables", 0, "marginals", 0)
    assert "(route=a: wanted 0.6, reached 0.5)" in fault.message


def test_a_value_without_any_cell_is_named_alone() -> None:
    targets = make_targets(
        over("route", ROUTES),
        over("function", {"x": 1}),
        over("category", {"c": 1, "d": 1}),
        zero=[{"route": "vision"}],
    )
    (fault,) = faults_of(targets)
    assert "(route=vision: wanted 0.2, reached 0)" in fault.message
    assert "text" not in fault.message


def test_two_marginals_over_one_axis_that_disagree_are_a_fault() -> None:
    targets = make_targets(
        over("route", ROUTES),
        over("function", {"x": 1}),
        over("category", {"c": 1, "d": 1}),
        over("category", {"c": 1, "d": 2}),
    )
    assert "category=c" in faults_of(targets)[0].message


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ("many", "not a number"),
        (True, "not a number"),
        (None, "not a number"),
        ([1], "not a number"),
        (-1, "below zero"),
        (math.nan, "not a finite number"),
        (math.inf, "not a finite number"),
        (10**400, "too large"),
        ({"deep": 1}, "is a mapping"),
    ],
)
def test_a_malformed_share_is_a_fault_with_its_path(share: Any, words: str) -> None:
    targets = make_targets(over("route", {"a": share, "b": 1}), over("function category", {"x": {"c": 1}}))
    (fault,) = faults_of(targets)
    assert fault.path == ("tables", 0, "marginals", 0, "shares", "a")
    assert words in fault.message


def test_all_malformed_shares_of_all_tables_are_listed_at_once() -> None:
    targets = Targets.model_validate(
        {
            "tables": [
                {
                    "axes": ["route", "function"],
                    "marginals": [over("route", {"a": -1}), over("function", {"x": {"c": 1}})],
                },
                {"axes": ["category"], "marginals": [over("category", {"c": 0})]},
                {"axes": ["language"], "marginals": [over("language", {})]},
            ]
        }
    )
    assert [fault.path[:4] for fault in faults_of(targets)] == [
        ("tables", 0, "marginals", 0),
        ("tables", 0, "marginals", 1),
        ("tables", 1, "marginals", 0),
        ("tables", 2, "marginals", 0),
    ]


def test_shares_nested_too_flat_are_a_fault() -> None:
    targets = make_targets(over("route", ROUTES), over("function category", {"x": 1}))
    (fault,) = faults_of(targets)
    assert "no shares by category" in fault.message


def test_a_key_that_yaml_read_as_a_boolean_is_a_fault() -> None:
    targets = make_targets(over("route", ROUTES), over("function category", {"x": {False: 1}}))
    assert "Put it in quotes" in faults_of(targets)[0].fix


def test_an_empty_given_cell_is_a_fault() -> None:
    targets = make_targets(
        over("route", ROUTES),
        over("function", {"x": 1, "y": 1}),
        over("category", {"x": {"c": 1}, "y": {"c": 0}}, "function"),
    )
    (fault,) = faults_of(targets)
    assert fault.path[-1] == "y" and "all shares are zero" in fault.message


@pytest.mark.parametrize("zero", [{"length": "1-3"}, {"route": "no such"}, {}])
def test_a_zero_that_names_nothing_known_is_a_fault(zero: dict[str, str]) -> None:
    targets = make_targets(over("route", ROUTES), over("function category", {"x": {"c": 1}}), zero=[zero])
    (fault,) = faults_of(targets)
    assert fault.path[:4] == ("tables", 0, "zero", 0)


def test_too_many_cells_are_a_fault_and_not_a_memory_error() -> None:
    many = {str(i): 1 for i in range(600)}
    targets = make_targets(over("route", many), over("function", many), over("category", many))
    assert f"{MAX_CELLS:,}" in faults_of(targets)[0].message


def test_a_sparse_joint_over_large_axes_is_no_fault() -> None:
    nested = {f"f{i}": {f"c{i}.{j}": 1 for j in range(10)} for i in range(300)}
    (table,) = fit_targets(make_targets(over("route", ROUTES), over("function category", nested)))
    assert len(table.cells) == 3 * 3000


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_marginals_of_any_joint_are_met(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 4)] * 3))
    weights = data.draw(
        st.lists(st.sampled_from([0, 0, 1, 2, 7, 40]), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    if not any(weights):
        weights[0] = 1
    joint = np.array(weights, dtype=float).reshape(shape)
    joint /= joint.sum()
    names = [[f"{axis}{i}" for i in range(size)] for axis, size in zip("rfc", shape, strict=True)]
    pair, last = joint.sum(axis=2), joint.sum(axis=0)
    targets = make_targets(
        over(
            "route function",
            {r: dict(zip(names[1], row, strict=True)) for r, row in zip(names[0], pair.tolist(), strict=True)},
        ),
        over(
            "category",
            {
                f: dict(zip(names[2], row, strict=True))
                for f, row in zip(names[1], last.tolist(), strict=True)
                if sum(row) > 0
            },
            given="function",
        ),
    )
    (table,) = fit_targets(targets)
    assert table.shares.sum() == pytest.approx(1)
    assert (table.shares > 0).all()
    for axes, wanted in ((("route", "function"), pair), (("function", "category"), last)):
        kept = [i for i, axis in enumerate(("route", "function", "category")) if axis in axes]
        reached = sums(table, *axes)
        for index, share in np.ndenumerate(wanted):
            cell = tuple(names[axis][i] for axis, i in zip(kept, index, strict=True))
            assert abs(reached.get(cell, 0.0) - share) < 2e-9


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_marginals_of_a_joint_with_many_zeros_and_tiny_shares_are_never_refused(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(2, 4)] * 3))
    size = math.prod(shape)
    weights = data.draw(st.lists(st.sampled_from([0, 0, 0, 1e-6, 1e-3, 1, 9]), min_size=size, max_size=size))
    if not any(weights):
        weights[0] = 1
    joint = np.array(weights, dtype=float).reshape(shape)
    joint /= joint.sum()
    axes = ("route", "function", "category")
    margins = [joint.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)]
    zeros = [
        {a: f"{a}{i}" for a, i in zip(axes, index, strict=True)} for index in zip(*np.nonzero(joint == 0), strict=True)
    ]
    present = [{f"{a}{i}" for i, share in enumerate(m) if share > 0} for a, m in zip(axes, margins, strict=True)]
    targets = make_targets(
        *(
            over(a, {f"{a}{i}": share for i, share in enumerate(m.tolist())})
            for a, m in zip(axes, margins, strict=True)
        ),
        zero=zeros,
    )
    (table,) = fit_targets(targets)
    for axis, margin, values in zip(axes, margins, present, strict=True):
        reached = table.marginal(axis)
        assert reached.keys() == values
        assert all(abs(reached[f"{axis}{i}"] - share) < 2e-9 for i, share in enumerate(margin) if share > 0)


def test_a_missing_route_moves_inside_each_cell_of_the_other_axes() -> None:
    targets = make_targets(
        over("route function", {"heuristic": {"x": 3, "y": 1}, "text": {"x": 1, "y": 1}, "vision": {"x": 2, "y": 2}}),
        over("category", {"c": 1, "d": 3}),
    )
    before = fit_targets(targets)
    (after,) = without_route(before, "vision")
    assert sums(after, "function", "category") == pytest.approx(sums(before[0], "function", "category"))
    assert sums(after, "route", "function") == pytest.approx(
        {("heuristic", "x"): 0.45, ("heuristic", "y"): 0.2, ("text", "x"): 0.15, ("text", "y"): 0.2}
    )


def test_a_missing_route_without_a_substitute_is_an_error_that_names_the_cells() -> None:
    targets = make_targets(
        over("route function", {"text": {"x": 1}, "vision": {"x": 1, "y": 1}}), over("category", {"c": 1})
    )
    with pytest.raises(UnsatisfiableTargets, match="function=y, category=c"):
        without_route(fit_targets(targets), "vision")


def test_a_route_that_no_table_knows_changes_nothing() -> None:
    before = fit_targets(make_targets(over("route", ROUTES), over("function category", {"x": {"c": 1}})))
    assert without_route(before, "audio")[0].share_by_cell == pytest.approx(before[0].share_by_cell)
