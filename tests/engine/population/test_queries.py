import pytest

from routenator.engine.errors import InputError
from routenator.engine.population.queries import read_queries


def test_golden_rows_dataset_rows_and_bare_queries_are_read(write_rows):
    golden = {"id": "1", "lang": "de", "query": "spiel zorima", "function": "play", "args": {"artist": ["a", "b"]}}
    dataset = {"query": "play it", "language": "en", "function": "play", "arguments": {"item": "song", "year": ""}}
    file = read_queries(write_rows([golden, dataset, {"query": "hello"}, {"query": "hi", "function": None}]))
    first, second, bare, nothing = file.queries
    assert (first.language, first.arguments) == ("de", {"artist": ("a", "b")})
    assert second.present == ("item",)
    assert (bare.function, bare.is_labelled) == (None, False)
    assert (nothing.function, nothing.is_labelled) == (None, True)
    assert len(file.sha256) == 64


def test_every_bad_line_is_named_without_its_text(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"query": "zorima"\n["zorima"]\n{"query": 1}\n{"query": "zorima", "function": 3}\n\n')
    with pytest.raises(InputError) as raised:
        read_queries(path)
    assert [fault.line for fault in raised.value.faults] == [1, 2, 3, 4]
    assert "zorima" not in str(raised.value)


def test_a_missing_and_an_empty_file_are_faults(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n\n")
    for name, words in (("none.jsonl", "cannot be read"), ("empty.jsonl", "holds no rows")):
        with pytest.raises(InputError, match=words):
            read_queries(tmp_path / name)
