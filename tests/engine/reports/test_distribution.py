import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chisquare

from routenator.engine.reports.distribution import PlannedTable, compare, fit_counts, js_distance


def cells(**values):
    return {(name,): value for name, value in values.items()}


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 500)), min_size=2, max_size=12))
def test_figures_are_those_of_scipy(pairs):
    total, rows = sum(weight for weight, _ in pairs), sum(count for _, count in pairs)
    shares = {(str(i),): weight / total for i, (weight, _) in enumerate(pairs)}
    fit = fit_counts(shares, {(str(i),): count for i, (_, count) in enumerate(pairs)})
    if rows == 0:
        assert fit.chi_square is fit.js_distance is fit.p_value is None
        return
    target, observed = np.array(list(shares.values())), np.array([float(count) for _, count in pairs])
    reference = chisquare(observed, target * rows)
    assert fit.chi_square == pytest.approx(reference.statistic, abs=1e-9)
    assert fit.p_value == pytest.approx(reference.pvalue, abs=1e-9)
    with np.errstate(invalid="ignore"):
        distance = jensenshannon(observed, target, base=2)
    assert fit.js_distance == pytest.approx(0.0 if math.isnan(distance) else distance, abs=1e-6)


def test_disjoint_distributions_are_at_distance_one_and_equal_ones_at_zero():
    assert js_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)
    assert js_distance(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0


def test_rows_where_the_target_is_zero_have_no_statistic_and_no_probability():
    fit = fit_counts(cells(a=0.5, b=0.5), cells(a=5, b=5, other=1))
    assert (fit.chi_square, fit.p_value) == (None, 0.0)
    assert 0 < fit.js_distance < 1


def test_one_cell_fits_whatever_comes():
    assert fit_counts(cells(en=1.0), cells(en=7)).p_value == 1.0


def test_a_comparison_lists_measured_values_that_the_target_does_not_name():
    planned = PlannedTable(("length",), cells(short=0.5, long=0.5), cells(short=2, long=2))
    comparison = compare(planned, cells(short=2, long=1), cells(short=1, long=1, other=1), agreeing=2)
    assert [(c.values, c.planned, c.delivered, c.measured) for c in comparison.cells] == [
        (("short",), 2, 2, 1),
        (("long",), 2, 1, 1),
        (("other",), 0, 0, 1),
    ]
    assert comparison.agreement == pytest.approx(2 / 3)
    assert comparison.missing == 1


def test_a_marginal_sums_shares_and_quotas():
    shares = {("search", "icon"): 0.2, ("search", "image"): 0.5, ("generate", "icon"): 0.3}
    table = PlannedTable(("function", "category"), shares, {("search", "icon"): 2, ("generate", "icon"): 3})
    assert table.marginal("category").shares == pytest.approx({("icon",): 0.5, ("image",): 0.5})
    assert table.marginal("category").counts == {("icon",): 5}
