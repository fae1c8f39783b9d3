"""Routes in the recipe's shares: what changes, and what must not."""

from typing import Any

import pytest

from routenator.engine.routing.fitting import FittedTable, fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.routing.route_shares import with_routes
from routenator.engine.routing.shares import UnsatisfiableTargets
from routenator.engine.routing.targets import Targets

ROUTES = {"axes": ["route"], "shares": {"heuristic": 3, "text": 5, "vision": 2}}
FUNCTIONS = {"axes": ["function"], "shares": {"search": 0.7, "generate": 0.3}}
CATEGORIES = {"axes": ["category"], "marginals": [{"axes": ["category"], "shares": {"icon": 1}}]}


def fit(*tables: dict[str, Any]) -> tuple[FittedTable, ...]:
    return fit_targets(Targets.model_validate({"tables": [*tables, CATEGORIES]}))


def apart() -> tuple[FittedTable, ...]:
    return fit(
        {"axes": ["route"], "marginals": [ROUTES]},
        {"axes": ["function"], "marginals": [FUNCTIONS]},
    )


def joint(*zero: dict[str, str]) -> tuple[FittedTable, ...]:
    return fit({"axes": ["route", "function"], "marginals": [ROUTES, FUNCTIONS], "zero": list(zero)})


def test_routes_take_the_shares_and_every_other_axis_keeps_its_strata() -> None:
    before, after = Plan(apart(), 40, seed=9), Plan(with_routes(apart(), {"text": 1, "heuristic": 3}), 40, seed=9)
    assert after.expected_counts("route") == {"text": 10, "heuristic": 30}
    assert [before.stratum(n).function for n in range(40)] == [after.stratum(n).function for n in range(40)]


def test_a_route_that_the_pack_does_not_name_may_have_rows() -> None:
    only_text = {"axes": ["route"], "marginals": [{"axes": ["route"], "shares": {"text": 1}}]}
    tables = fit(only_text, {"axes": ["function"], "marginals": [FUNCTIONS]})
    assert with_routes(tables, {"heuristic": 100})[0].share_by_cell == {("heuristic",): 1.0}


def test_a_joint_table_is_reweighted_and_keeps_its_other_marginals() -> None:
    table, _ = with_routes(joint({"route": "heuristic", "function": "generate"}), {"heuristic": 1, "text": 3})
    assert table.marginal("route") == pytest.approx({"heuristic": 0.25, "text": 0.75})
    assert table.marginal("function") == pytest.approx({"search": 0.7, "generate": 0.3})


def test_what_a_joint_table_has_no_room_for_is_named() -> None:
    tables = joint({"route": "heuristic", "function": "generate"})
    with pytest.raises(UnsatisfiableTargets, match=r"only one for \(function=generate\)"):
        with_routes(tables, {"heuristic": 100})
    with pytest.raises(UnsatisfiableTargets, match="leave no room for the routes heuristic 90%, text 10%"):
        with_routes(tables, {"heuristic": 9, "text": 1})
    text_only = fit(
        {"axes": ["route", "function"], "marginals": [{"axes": ["route"], "shares": {"text": 1}}, FUNCTIONS]}
    )
    with pytest.raises(UnsatisfiableTargets, match="'heuristic' is not in the table"):
        with_routes(text_only, {"heuristic": 1})
