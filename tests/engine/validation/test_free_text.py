"""The free text is what is asked for, without the asking and without the category's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.validation.free_text import extract_free_text

WORDS = ("please can you make me a icon icons of red kite & - with find for i need to").split(" ")


@pytest.mark.parametrize(
    ("query", "category", "free_text"),
    [
        ("make an icon of a red kite please", "icon", "red kite"),
        ("birthday template for friends", "template", "birthday for friends"),
        ("can you find me photos of foxes?", "image", "foxes"),
        ("got any baseball bat icons?", "icon", "baseball bat"),
        ("i need you to record a jingle", "icon", "jingle"),
        ("i need a kite icon", "icon", "kite"),
        ("i need record player photos", "image", "record player"),
        ("please do you have kite icons", "icon", "kite"),
        ("record player photo", "image", "record player"),
        ("black & white photo of a lighthouse", "image", "black & white lighthouse"),
        ("a photo of salt & pepper", "image", "salt & pepper"),
        ("winter sale - poster", "template", "winter sale"),
        ("have you got a modern kite icon?", "icon", "modern kite"),
        ("make a red kite as an icon for a fair", "icon", "red kite for a fair"),
        ("make a simple icon with a kite", "icon", "simple kite"),
        ("find icons", "icon", ""),
        ("", "icon", ""),
    ],
)
def test_free_text_is_what_is_asked_for(lexicon, query, category, free_text):
    found = extract_free_text(query, "en", category, lexicon)
    assert found == free_text


@given(words=st.lists(st.sampled_from(WORDS), max_size=10))
def test_free_text_is_an_ordered_part_of_the_query(lexicon, words):
    rest = iter(words)
    free_text = extract_free_text(" ".join(words), "en", "icon", lexicon)
    assert all(any(word == other for other in rest) for word in free_text.split())
