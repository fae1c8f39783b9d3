from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.reports.histogram import Histogram

durations = st.lists(st.floats(0.002, 1e7), min_size=1, max_size=60)


@given(durations, durations)
def test_quantiles_of_parts_together_are_those_of_the_whole_within_half_a_per_cent(first, second):
    whole, part = Histogram(), Histogram()
    whole.add(first)
    part.add(second)
    whole.merge(part)
    values = sorted(first + second)
    assert whole.count == len(values)
    assert abs(whole.total_ms - sum(values)) <= 1e-9 * sum(values)
    for share in (0.0, 0.5, 0.95, 1.0):
        exact = values[min(len(values) - 1, int(share * len(values)))]
        assert abs(whole.quantile_ms(share) - exact) <= 0.0051 * exact


def test_nothing_counted_and_times_too_short_to_tell():
    histogram = Histogram()
    assert histogram.quantile_ms(0.5) == 0
    histogram.add([0.0])
    assert histogram.quantile_ms(0.5) <= 0.001
