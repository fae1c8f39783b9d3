import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.population.bands import band_of, choose_bands
from routenator.engine.population.dependence import measure_dependence
from routenator.engine.population.shares import (
    Observation,
    conditional_shares,
    count_shares,
    jeffreys_interval,
    unseen_share,
)
from routenator.engine.routing.targets import parse_length_band


@given(st.integers(1, 5_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_share(counts):
    rows, of = counts
    low, high = jeffreys_interval(rows, of)
    assert 0 <= low <= rows / of <= high <= 1


def test_jeffreys_intervals_cover_the_truth_in_nineteen_of_twenty_samples():
    generator = random.Random(5)
    hits = 0
    for _ in range(600):
        rows = sum(generator.random() < 0.12 for _ in range(150))
        low, high = jeffreys_interval(rows, 150)
        hits += low <= 0.12 <= high
    assert 0.92 <= hits / 600 <= 0.98


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("vwxyz")), min_size=1, max_size=60))
def test_conditional_shares_add_up_and_keep_what_was_seen(pairs):
    rows = [Observation((), (), (group,), value) for group, value in pairs]
    shares, lean = conditional_shares(rows, "vwxyz")
    assert lean > 0
    for group in {group for group, _ in pairs}:
        own = [share for share in shares if share.given == (group,)]
        assert sum(share.share for share in own) == pytest.approx(1)
        assert {share.value for share in own} >= {value for g, value in pairs if g == group}
        assert all(0 <= share.low <= share.share <= share.high <= 1 for share in own)


def test_small_groups_lean_on_large_ones_only_where_groups_are_alike():
    generator = random.Random(3)
    alike = [Observation((), (), (f"g{n % 40}",), generator.choice("ab")) for n in range(200)]
    unlike = [Observation((), (), (f"g{n % 40}",), "ab"[n % 2]) for n in range(200)]
    assert conditional_shares(alike, "ab")[1] > 8 * conditional_shares(unlike, "ab")[1]


def test_good_turing_gives_the_share_of_rows_seen_once():
    share, high = unseen_share([1, 1, 2, 6])
    assert share == pytest.approx(0.2)
    assert share < high <= 1


def test_shares_are_ordered_by_rows():
    assert [share.value for share in count_shares(Counter(a=1, b=3, c=2))] == ["b", "c", "a"]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=400))
def test_bands_are_readable_without_gaps_and_hold_every_length(lengths):
    bands = choose_bands(lengths)
    bounds = [parse_length_band(band) for band in bands]
    assert all(high + 1 == low for (_, high), (low, _) in pairwise(bounds))
    assert bounds[0][0] == min(lengths)
    assert {band_of(words, bands) for words in lengths} <= set(bands)
    assert all(high > low for low, high in bounds[:-1])


def test_dependence_is_found_where_it_is_and_not_where_it_is_not():
    generator = random.Random(11)
    found = 0
    for _ in range(60):
        rows = [((), generator.choice("ab"), generator.choice("xyz")) for _ in range(300)]
        found += measure_dependence("second", "first", (), rows).is_worth_it
    assert found <= 4
    rows = [
        ((), side, "x" if side == "a" and generator.random() < 0.7 else generator.choice("xyz")) for side in "ab" * 150
    ]
    assert measure_dependence("second", "first", (), rows).is_worth_it
