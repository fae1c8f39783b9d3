import random

import pytest

from routenator.engine.population.misspelling import Speller, estimate_misspelling, misspell

_SYLLABLES = [f"{a}{b}" for a in ("b", "d", "f", "gr", "k", "l", "m", "pl", "r", "st", "t", "v") for b in "aeiou"]


def make_words(count, seed):
    generator = random.Random(seed)
    return sorted({"".join(generator.choices(_SYLLABLES, k=generator.choice((2, 3, 3, 4)))) for _ in range(count)})


def make_queries(dictionary, rare, share, seed, count=800):
    """Queries of known words, of which one in ten has a rare one; ``share`` of them get one misspelt word."""
    generator = random.Random(seed)
    queries = []
    for _ in range(count):
        words = generator.choices(dictionary, k=6)
        if generator.random() < 0.1:
            words[0] = generator.choice(rare)
        if generator.random() < share:
            at = generator.randrange(1, 6)
            words[at] = misspell(words[at], generator)
        queries.append((" ".join(words), ()))
    return queries


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_the_share_of_misspelt_queries_is_recovered(share):
    words = make_words(3_000, 1)
    rare = set(make_words(9_000, 2)) - set(words)
    covered = 0
    for seed in range(3):
        found = estimate_misspelling(make_queries(words[:400], sorted(rare), share, seed), words, seed=seed)
        assert abs(found.share - share) < 0.04, f"seed {seed}"
        covered += found.low <= share <= found.high
    assert covered >= 2


def test_names_are_not_judged():
    words = make_words(3_000, 1)
    queries = [
        (f"{query} {words[0][:-1]}x", (f"{words[0][:-1]}x",)) for query, _ in make_queries(words, words, 0, 3, 200)
    ]
    assert estimate_misspelling(queries, words).suspicious == 0


def test_a_sample_without_known_words_gives_nothing():
    assert estimate_misspelling([("qqqqqqq zzzzzzz", ())], {"other"}) is None


@pytest.mark.parametrize(
    ("word", "is_known"),
    [
        ("cities", True),
        ("booked", True),
        ("planning", True),
        ("happily", True),
        ("soundtrack", True),
        ("citeis", False),
    ],
)
def test_inflected_and_compound_words_are_known(word, is_known):
    assert Speller(frozenset("city book plan happy sound track".split())).is_known(word) is is_known


def test_misspelling_changes_the_word_and_keeps_its_first_letter():
    generator = random.Random(1)
    for _ in range(200):
        changed = misspell("letter", generator)
        assert changed != "letter" and changed[0] == "l"
