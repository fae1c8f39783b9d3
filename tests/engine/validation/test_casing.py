import pytest

from routenator.engine.validation.casing import classify_casing


@pytest.mark.parametrize(
    ("query", "casing"),
    [
        ("play some jazz", "lower"),
        ("2 tickets", "lower"),
        ("Play some jazz by Zorima", "sentence"),
        ("Play Zorima", "sentence"),
        ("Play the Best of Zorima", "title"),
        ("PLAY SOME JAZZ", "upper"),
        ("I", "sentence"),
        ("play something by Zorima", "mixed"),
        ("東京の天気", "lower"),
    ],
)
def test_casing_by_capitals(query, casing):
    assert classify_casing(query) == casing
