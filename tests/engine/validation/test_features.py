"""Length, phrasing and keyword position, by example and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.routing.targets import KEYWORD_POSITIONS, PHRASINGS
from routenator.engine.validation.features import lead_phrase, measure, mentions
from routenator.engine.validation.words import count_words, forms


@pytest.mark.parametrize(
    ("query", "words"), [("", 0), ("cat", 1), ("black & white photo", 3), ("5 year-old's party !", 3), ("  a  b ", 2)]
)
def test_words_are_tokens_with_a_letter_or_a_digit(query, words):
    assert count_words(query) == words


@pytest.mark.parametrize(
    ("query", "phrasing"),
    [
        ("cat photos", "fragment"),
        ("sunset over mountains", "fragment"),
        ("can opener icon", "fragment"),
        ("do not disturb sign", "fragment"),
        ("may flowers background", "fragment"),
        ("record player photo", "fragment"),
        ("play button icon", "fragment"),
        ("pull ups workout poster", "fragment"),
        ("get well soon card", "fragment"),
        ("design ideas for living room", "fragment"),
        ("record a jingle", "imperative"),
        ("pull up cat photos", "imperative"),
        ("design logo for a bakery", "imperative"),
        ("any cat photos?", "question"),
        ("how do i draw a cat", "question"),
        ("can you make a card", "question"),
        ("hey, do you have cat icons", "question"),
        ("is there a free font for posters", "question"),
        ("make a card", "imperative"),
        ("please find me a photo", "imperative"),
        ("i need you to draw a dragon", "imperative"),
        ("I need a birthday card template", "imperative"),
        ("looking for cat icons", "imperative"),
        ("help me with a flyer", "imperative"),
        ("put together a menu", "imperative"),
    ],
)
def test_phrasing_follows_the_form_of_the_query(lexicon, query, phrasing):
    assert measure(query, "en", "image", lexicon).phrasing == phrasing


@pytest.mark.parametrize(
    ("query", "category", "position"),
    [
        ("icon", "icon", "start"),
        ("icons cat", "icon", "start"),
        ("cat icons", "icon", "end"),
        ("cat icon pack", "icon", "middle"),
        ("a cat's icon, rounded corners and shadow", "icon", "middle"),
        ("photo of a cat", "image", "start"),
        ("sunset over mountains", "image", "absent"),
        ("iconic building", "icon", "absent"),
        ("birthday poster-style invite", "template", "middle"),
        ("movies for a rainy day", "video", "start"),
        ("cat", "image", "absent"),
    ],
)
def test_keyword_position_is_that_of_the_first_keyword(lexicon, query, category, position):
    assert measure(query, "en", category, lexicon).keyword_position == position


def test_mentions_names_every_category_in_the_query(lexicon):
    assert mentions("background video with icons", "en", lexicon) == {"background", "video", "icon"}


@pytest.mark.parametrize(
    ("query", "phrase"),
    [
        ("could you please look for cats", ("look", "for")),
        ("i want you to make it", ("make",)),
        ("generate a cat", ("generate",)),
        ("can you record jingles", ("record",)),
        ("record player photo", None),
        ("play a song", ("play",)),
        ("cat photo", None),
        ("", None),
    ],
)
def test_lead_phrase_is_the_verb_that_asks(lexicon, query, phrase):
    assert lead_phrase(query, lexicon) == phrase


@pytest.mark.parametrize(
    ("one", "many"),
    [("icon", "icons"), ("story", "stories"), ("movie", "movies"), ("box", "boxes")],
)
def test_plurals_are_forms_of_their_singular_and_back(one, many):
    assert many in forms(one)
    assert one in forms(many)


def test_forms_do_not_join_different_words():
    assert "theme" not in forms("them")
    assert "bu" not in forms("bus")
    assert "glas" not in forms("glass")


@given(query=st.text(max_size=80))
def test_any_text_is_measured(lexicon, query):
    features = measure(query, "en", "icon", lexicon)
    assert 0 <= features.words <= len(query)
    assert features.phrasing in PHRASINGS
    assert features.keyword_position in KEYWORD_POSITIONS


@given(before=st.integers(0, 12), after=st.integers(0, 12))
def test_keyword_moves_from_start_to_end_as_words_are_put_before_it(lexicon, before, after):
    query = " ".join(["big"] * before + ["icon"] + ["blue"] * after)
    position = measure(query, "en", "icon", lexicon).keyword_position
    words = before + after + 1
    centre = (before + 0.5) / words
    if words <= 2:
        assert position == ("start" if before == 0 else "end")
    elif position == "start":
        assert centre <= 1 / 3 + 1e-9
    elif position == "end":
        assert centre >= 2 / 3 - 1e-9
    else:
        assert position == "middle"
        assert 1 / 3 < centre < 2 / 3


@given(query=st.lists(st.sampled_from(["cat", "icon", "make", "?", "blue", "&"]), max_size=9).map(" ".join))
def test_case_and_outer_spaces_do_not_matter(lexicon, query):
    assert measure(f"  {query.upper()} ", "en", "icon", lexicon) == measure(query, "en", "icon", lexicon)
