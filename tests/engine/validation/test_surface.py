from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from routenator.engine.routing.targets import CASINGS, NOISES
from routenator.engine.sample import ANY
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.spans import find_spans
from routenator.engine.validation.surface import dress
from routenator.engine.validation.words import FUNCTION_WORDS, fold_words

CARRIER = ["play", "the", "songs", "please", "about", "of", "what's", "tonight", "for", "weather", "a", "List,"]
VALUES = {
    "artist": ["Zorima", "the Öre Kväll", "DJ 2nd Straße", "iLlo", "'Tis We", "d’Anjou", "ΟΔΟΣ", "Işık"],
    "owner": ["Priya's", "my", "Aatos'"],
    "count": ["2", "3rd", "zwölf"],
}


@st.composite
def queries(draw):
    """A query and its values, each standing once among carrier words, maybe written in capitals."""
    chosen = {name: draw(st.sampled_from(texts)) for name, texts in VALUES.items() if draw(st.booleans())}
    words = [*draw(st.lists(st.sampled_from(CARRIER), max_size=6)), *chosen.values()]
    query = " ".join(draw(st.permutations(words))) + draw(st.sampled_from(["", "?", "!"]))
    return draw(st.sampled_from([query, query.upper(), query.lower()])), chosen


STYLES = {"casing": st.sampled_from([*CASINGS, ANY]), "noise": st.sampled_from([*NOISES, ANY]), "seed": st.integers(0)}


@given(written=queries(), **STYLES)
@example(written=("DJ 2ND STRASSE PLEASE", {"artist": "DJ 2nd Straße"}), casing="title", noise="typo", seed=3)
def test_values_stand_in_the_dressed_query_as_they_are_given_back(written, casing, noise, seed):
    query, values = written
    spans = find_spans(query, values)
    assert spans.is_exact
    dressed = dress(query, spans.places, casing=casing, noise=noise, seed=seed)
    again = find_spans(dressed.query, dressed.values)
    assert again.is_exact
    assert {name: dressed.query[span.start : span.stop] for name, span in again.places.items()} == dressed.values
    assert find_spans(dressed.query, values).is_exact
    assert dressed == dress(query, spans.places, casing=casing, noise=noise, seed=seed)


@given(written=queries(), **STYLES)
def test_casing_is_what_was_asked_for_where_it_can_be_had(written, casing, noise, seed):
    query, values = written
    dressed = dress(query, find_spans(query, values).places, casing=casing, noise=noise, seed=seed)
    found = classify_casing(dressed.query)
    letters = [character for character in query if character.isalpha()]
    if not letters:
        assert found == "lower"
    elif casing == ANY:
        # A misspelt function word may be what made a title of it.
        assert noise == "typo" or found == classify_casing(query)
    elif casing == "lower":
        assert found == "lower"
    elif casing == "upper":
        assert found == "upper" or len(letters) == 1
    elif casing == "title":
        assert found == "title" or len(query.split()) < 3 or _begins_with_number(query)
    elif casing == "sentence" and classify_casing(query) in ("lower", "mixed"):
        # Every word may be a name.
        assert found in ("sentence", "title", "upper") or _begins_with_number(query)
    elif casing == "mixed" and not _begins_with_own_capital(query, values):
        assert found == ("mixed" if any(map(_has_capital, values.values())) else found)
        assert found in ("mixed", "lower")


def _begins_with_own_capital(query, values):
    first = next(at for at, character in enumerate(query) if character.isalpha())
    spans = find_spans(query, values).places.values()
    own = [span.value for span in spans if span.start <= first < span.stop]
    return _begins_with_number(query) or any(next(filter(str.isalpha, value)).isupper() for value in own)


def _begins_with_number(query):
    """Whether the first letter belongs to a number, as in "3rd": it stays as it is."""
    first = next(at for at, character in enumerate(query) if character.isalpha())
    return query[:first][-1:].isdigit()


def _has_capital(value):
    return value != value.lower()


@given(written=queries(), seed=st.integers(0))
def test_a_typo_is_one_edit_in_one_carrier_word(written, seed):
    query, values = written
    spans = find_spans(query, values).places
    dressed = dress(query, spans, noise="typo", seed=seed)
    assert dressed.values == dress(query, spans, noise="none", seed=seed).values
    before, after = query.split(" "), dressed.query.split(" ")
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    named = {word for value in values.values() for word in value.casefold().split()}
    carriers = [word for word in before if len(word.strip(",?!")) >= 5 and word.strip(",?!").isalpha()]
    assert len(changed) == any(word.strip(",?!").casefold() not in named for word in carriers)
    for word, misspelt in changed:
        assert word[0] == misspelt[0]
        assert _is_one_edit(word, misspelt)
        assert FUNCTION_WORDS.isdisjoint(fold_words(misspelt))


def _is_one_edit(word, other):
    swaps = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    same = [at for at in range(min(len(word), len(other))) if word[at] != other[at]]
    at = same[0] if same else min(len(word), len(other))
    rests = {word[at + 1 :]: other[at:], word[at:]: other[at + 1 :]}
    return other in swaps or any(a == b for a, b in rests.items()) or word[at + 1 :] == other[at + 1 :]


@pytest.mark.parametrize(
    ("query", "values", "casing", "dressed"),
    [
        ("play songs by Zorima", {"artist": "Zorima"}, "lower", "play songs by zorima"),
        ("play songs by Zorima", {"artist": "Zorima"}, "sentence", "Play songs by Zorima"),
        ("2 tickets for Zorima", {"artist": "Zorima"}, "sentence", "2 Tickets for Zorima"),
        ("play the songs of zorima", {"artist": "Zorima"}, "title", "Play the Songs of Zorima"),
        ("what is it for", {}, "title", "What is it For"),
        ("2 the songs of", {"count": "2"}, "title", "2 The Songs Of"),
        ("zur straße, bitte", {"street": "Straße"}, "upper", "ZUR STRASSE, BITTE"),
        ("PLAY SONGS BY DJ ÖRE", {"artist": "DJ Öre"}, "sentence", "Play songs by DJ Öre"),
        ("Play songs by Zorima", {"artist": "Zorima"}, "mixed", "play songs by Zorima"),
        ("Play songs by zorima", {"artist": "Zorima"}, "mixed", "play songs by Zorima"),
        ("Zorima songs by Öre", {"artist": "Zorima", "by": "Öre"}, "mixed", "Zorima songs by Öre"),
        ("My list needs Zorima", {"owner": "my", "artist": "Zorima"}, "mixed", "my list needs Zorima"),
        ("Play a song", {"item": "song"}, "mixed", "play a song"),
        ("80s songs", {}, "sentence", "80s songs"),
        ("Play iT", {}, "any", "Play iT"),
    ],
)
def test_casing_by_example(query, values, casing, dressed):
    assert dress(query, find_spans(query, values).places, casing=casing).query == dressed


def test_values_follow_their_letters():
    query = "play Straße of Zorima"
    values = {"track": "Straße", "artist": "Zorima"}
    assert dress(query, find_spans(query, values).places, casing="upper").values == {
        "track": "STRASSE",
        "artist": "ZORIMA",
    }


def test_without_a_carrier_word_nothing_is_misspelt():
    spans = find_spans("play Zorima for us", {"artist": "Zorima"}).places
    assert dress("play Zorima for us", spans, noise="typo", seed=1).query == "play Zorima for us"


def test_kinds_of_typo_have_their_weights():
    kinds = Counter()
    for seed in range(4_000):
        word = dress("playlist", {}, noise="typo", seed=seed).query
        length = len(word) - len("playlist")
        kinds[
            "drop" if length < 0 else "double" if length else "swap" if sorted(word) == sorted("playlist") else "key"
        ] += 1
    shares = {kind: count / 4_000 for kind, count in kinds.items()}
    assert shares == pytest.approx({"drop": 0.35, "swap": 0.25, "double": 0.20, "key": 0.20}, abs=0.03)
