"""Routes in other shares than the pack's: what a recipe's ``routes`` asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from routenator.engine.display import show
from routenator.engine.routing.fitting import FittedTable, without_route
from routenator.engine.routing.joint import TOLERANCE
from routenator.engine.routing.shares import TargetFault, UnsatisfiableTargets

_SWEEPS = 20_000


def with_routes(tables: Sequence[FittedTable], shares: Mapping[str, float]) -> tuple[FittedTable, ...]:
    """Deal the rows out to the routes by ``shares`` instead of the pack's.

    A table of routes alone is replaced, so that every other axis gives the same strata for the same seed. In a table
    that joins routes with other axes, the routes that are not named are taken out as `without_route` does, and the rest
    is re-weighted; every marginal that does not speak of routes keeps its shares.

    Args:
        tables: Fitted tables.
        shares: Route → share, above zero; only their ratios count.

    Raises:
        UnsatisfiableTargets: A joint table has no such route, has cells that no named route may serve, or cannot have
            these shares and the other axes' own at once.
    """
    total = sum(shares.values())
    wanted = {route: share / total for route, share in shares.items()}
    found = []
    for number, table in enumerate(tables):
        if table.axes == ("route",):
            cells = tuple((route,) for route in wanted)
            found.append(FittedTable(table.axes, cells, np.array(list(wanted.values()), dtype=np.float64)))
        elif "route" in table.axes:
            found.append(_reweight(table, wanted, number))
        else:
            found.append(table)
    return tuple(found)


def _reweight(table: FittedTable, wanted: Mapping[str, float], number: int) -> FittedTable:
    at = table.axes.index("route")
    routes = table.marginal("route")
    for route in wanted:
        if route not in routes:
            fix = f"Name some of {', '.join(map(show, routes))} under `routes`, or give the table cells of it"
            raise _unsatisfiable(number, f"route {show(route)!r} is not in the table over {', '.join(table.axes)}", fix)
    for route in routes:
        if route not in wanted:
            [table] = without_route([table], route)
    names = list(wanted)
    route_of = np.array([names.index(cell[at]) for cell in table.cells])
    code: dict[tuple[str, ...], int] = {}
    rest_of = np.array([code.setdefault(cell[:at] + cell[at + 1 :], len(code)) for cell in table.cells])
    goal = np.array(list(wanted.values()))
    rest = np.bincount(rest_of, table.shares)
    joint = table.shares
    for _ in range(_SWEEPS):
        joint = joint * (goal / np.bincount(route_of, joint))[route_of]
        joint = joint * (rest / np.bincount(rest_of, joint))[rest_of]
        if np.abs(np.bincount(route_of, joint) - goal).max() < TOLERANCE:
            return FittedTable(table.axes, table.cells, joint / joint.sum())
    asked = ", ".join(f"{show(route)} {share:.0%}" for route, share in wanted.items())
    what = f"the other axes of the table over {', '.join(table.axes)} leave no room for the routes {asked}"
    raise _unsatisfiable(number, what, "Change the recipe's `routes`, or the table's zeros")


def _unsatisfiable(number: int, message: str, fix: str) -> UnsatisfiableTargets:
    return UnsatisfiableTargets([TargetFault(("tables", number), message, fix)])
