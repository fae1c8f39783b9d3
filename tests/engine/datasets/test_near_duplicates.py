import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.datasets.near_duplicates import band_shape, find_duplicates, fold_query, shingles
from routenator.engine.sample import SampleKey


def jaccard(one, other):
    a, b = shingles(fold_query(one)), shingles(fold_query(other))
    return len(a & b) / len(a | b)


def found(queries, threshold=0.9):
    rows = [(SampleKey(slot), query) for slot, query in enumerate(queries)]
    return [(d.key.slot, d.duplicate_of, d.kind) for d in find_duplicates(rows, threshold)]


@pytest.mark.parametrize("repeat", ["Cat Icon", "cat  icon", " cat icon!", "“cat” icon", "ｃａｔ icon", "cat-icon"])
def test_case_space_and_punctuation_make_no_other_query(repeat):
    assert found(["cat icon", repeat]) == [(1, "0.0", "exact")]


@pytest.mark.parametrize("other", ["cats icon", "icon cat", "cat icons", "car icon", "cat icon ❤", "cat icon +"])
def test_short_queries_that_people_tell_apart_stay_apart(other):
    assert found(["cat icon", other]) == []


@pytest.mark.parametrize(("one", "other"), [("?", "!"), ("कि", "की"), ("c", "c+")])
def test_queries_do_not_fold_into_nothing_or_into_another_letter(one, other):
    assert found([one, other]) == []


def test_one_word_changed_in_a_long_query_is_a_near_duplicate():
    long = "please make me a poster for the summer garden party with paper lanterns, a long table and friends who "
    one, other = long + "dance until the morning comes", long + "sing until the morning comes"
    assert 0.85 < jaccard(one, other) < 1
    assert found([one, other], threshold=0.85) == [(1, "0.0", "near")]
    assert found([one, other], threshold=1) == []


def test_the_label_does_not_matter_and_the_earlier_round_stays():
    rows = [(SampleKey(1, round=1), "cat icon"), (SampleKey(5), "cat icon"), (SampleKey(9), "Cat icon")]
    assert [(d.key, d.duplicate_of) for d in find_duplicates(rows, 0.9)] == [
        (SampleKey(9), "5.0"),
        (SampleKey(1, 1), "5.0"),
    ]


def test_a_chain_of_small_changes_does_not_lose_its_far_end():
    words = [f"{number:03d}" for number in range(60)]
    chain = [" ".join([*(["xyz"] * changed), *words[changed:]]) for changed in range(0, 30, 3)]
    rejected = {slot for slot, *_ in found(chain, threshold=0.8)}
    kept = [query for slot, query in enumerate(chain) if slot not in rejected]
    assert len(kept) >= 2
    assert all(jaccard(a, b) < 0.8 for i, a in enumerate(kept) for b in kept[:i])


@settings(deadline=None, max_examples=15)
@given(st.randoms(use_true_random=False), st.sampled_from([0.5, 0.7, 0.9]))
def test_same_rows_in_any_order_give_what_comparing_all_pairs_gives(rng, threshold):
    vocabulary = ["cat", "dog", "icon", "poster", "summer", "garden", "lantern", "of", "the", "birthday"]
    queries = [" ".join(rng.choices(vocabulary, k=rng.randint(1, 12))) for _ in range(40)]
    rows = [(SampleKey(slot), query) for slot, query in enumerate(queries)]
    expected, kept = [], []
    seen = set()
    for key, query in rows:
        if fold_query(query) in seen:
            expected.append(key)
            continue
        seen.add(fold_query(query))
        if any(jaccard(query, other) >= threshold for other in kept):
            expected.append(key)
        else:
            kept.append(query)
    shuffled = rng.sample(rows, len(rows))
    assert [duplicate.key for duplicate in find_duplicates(shuffled, threshold)] == expected


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_a_pair_at_the_threshold_is_hardly_ever_missed(threshold):
    bands, rows = band_shape(threshold)
    assert bands * rows <= 128
    assert (1 - threshold**rows) ** bands <= 1e-3


def test_planted_duplicates_are_found_and_nothing_else():
    rng = random.Random(3)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(2_000)]
    queries = [" ".join(rng.choices(vocabulary, k=30)) for _ in range(1_500)]
    planted = {}
    for slot in range(1_500, 3_000):
        copied = queries[rng.randrange(1_500)] if slot % 50 == 0 else None
        if copied is not None:
            planted[slot] = copied
        queries.append(copied + " x" if copied else " ".join(rng.choices(vocabulary, k=30)))
    assert {slot for slot, *_ in found(queries)} == set(planted)
