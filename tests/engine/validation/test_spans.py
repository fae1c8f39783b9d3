import pytest

from routenator.engine.validation.spans import find_spans


@pytest.mark.parametrize(
    ("query", "values", "found"),
    [
        ("play some jazz by zorima", {"artist": "Zorima", "genre": "jazz"}, {"artist": "zorima", "genre": "jazz"}),
        ("put it on Priya’s list", {"owner": "Priya's"}, {"owner": "Priya’s"}),
        ("put it on Priya's list", {"artist": "Priya"}, {"artist": "Priya"}),
        ("the PRIYA’S list", {"artist": "priya"}, {"artist": "PRIYA"}),
        ("on Aatos' list", {"owner": "Aatos'"}, {"owner": "Aatos'"}),
        ("play 'Tis Autumn by 2 Cellos!", {"track": "'Tis Autumn", "artist": "2 Cellos"}, None),
        ("the best songs by Best Coast", {"sort": "best", "artist": "Best Coast"}, None),
        ("rate it 5 of 5", {"value": "5", "most": "5"}, {"value": "5", "most": "5"}),
        ("play !!! now", {"artist": "!!!"}, {"artist": "!!!"}),
        ("STRASSE NACH KÖLN", {"track": "Straße", "city": "Köln"}, {"track": "STRASSE", "city": "KÖLN"}),
        ("play IŞIK", {"track": "Işık"}, {"track": "IŞIK"}),
    ],
)
def test_values_are_found_as_they_stand(query, values, found):
    spans = find_spans(query, values)
    assert spans.is_exact
    said = {name: query[span.start : span.stop] for name, span in spans.places.items()}
    assert said == (found or values)
    assert all(span.value == values[name] for name, span in spans.places.items())


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("play jazzy things", "jazz"),
        ("play acidjazz", "jazz"),
        ("do i don't know", "don"),
        ("table for 20", "2"),
        ("ein groß", "s"),
        ("the cafe\u0301", "cafe"),
        ("anything", ""),
    ],
)
def test_parts_of_words_are_not_found(query, value):
    assert find_spans(query, {"a": value}).missing == ("a",)


def test_a_value_inside_another_is_not_said_by_it():
    assert find_spans("songs by Best Coast", {"sort": "best", "artist": "Best Coast"}).missing == ("sort",)
    both = find_spans("Best Coast by Best Coast", {"sort": "best", "artist": "Best Coast"})
    assert (both.missing, both.repeated) == (("sort",), ("artist",))


def test_a_value_that_stands_too_often_is_told():
    spans = find_spans("My list in my library", {"owner": "my"})
    assert (spans.repeated, spans.is_exact) == (("owner",), False)
    assert (spans.places["owner"].start, spans.places["owner"].stop) == (0, 2)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("add Zorima's songs to my list.", [["add"], ["songs", "to"], ["list"]]),
        ("my Zorima's", [[], [], []]),
        ("my show by Zorima's sister", [[], ["show", "by"], ["sister"]]),
    ],
)
def test_words_between_leave_out_values_and_the_possessive(query, words):
    assert find_spans(query, {"artist": "zorima", "owner": "my"}).words_between() == words
