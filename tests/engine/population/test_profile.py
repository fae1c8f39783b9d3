from pathlib import Path

import pytest

from routenator.engine.errors import InputError
from routenator.engine.population.profile import NOT_NAMED, check_names, profile
from routenator.engine.population.queries import RealQuery


def test_a_query_is_measured_on_every_axis(declared):
    row = RealQuery(1, "Play the songs of zorima?", "en", "play", True, {"item": ("songs",), "artist": ("zorima",)})
    measured = profile(row, declared)
    assert (measured.arguments, measured.present, measured.category) == ("artist+item", 2, "song")
    assert (measured.words, measured.phrasing, measured.casing, measured.ending) == (5, "question", "sentence", "?")
    assert measured.keyword_position == "middle"


def test_a_category_without_a_word_in_the_pack_is_not_guessed(declared):
    row = RealQuery(1, "play a polka", "en", "play", True, {"item": ("polka",)})
    assert profile(row, declared).category == NOT_NAMED
    assert profile(RealQuery(1, "rate it", "en", "rate", True, {}), declared).category == "none"


def test_unknown_functions_and_arguments_are_named_once_with_their_rows(declared):
    rows = [
        RealQuery(1, "dance", "en", "dance", True, {}),
        RealQuery(2, "dance more", "en", "dance", True, {}),
        RealQuery(3, "play", "en", "play", True, {"tempo": ("fast",)}),
    ]
    with pytest.raises(InputError) as raised:
        check_names(Path("q.jsonl"), rows, declared)
    assert [fault.line for fault in raised.value.faults] == [1, 3]
    assert "'dance'" in str(raised.value) and "2 rows" in str(raised.value)
    assert "'tempo' of play" in str(raised.value)
