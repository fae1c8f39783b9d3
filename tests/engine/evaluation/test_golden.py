import pytest

from routenator.engine.errors import InputError
from routenator.engine.evaluation.calls import NO_CALL, Call
from routenator.engine.evaluation.golden import load_golden


def write(tmp_path, text):
    path = tmp_path / "golden.jsonl"
    path.write_text(text, "utf-8")
    return path


def test_rows_are_read_with_their_calls(tmp_path):
    path = write(
        tmp_path,
        '{"id": "a", "lang": "de", "query": "lauter", "function": "Volume", "args": {"step": 1}}\n\n'
        '{"query": "hello", "function": null}\n',
    )
    first, second = load_golden(path).rows
    assert (first.id, first.language, first.call) == ("a", "de", Call("Volume", {"step": 1}))
    assert (second.id, second.label) == ("3", NO_CALL)


def test_the_rows_of_a_dataset_are_read_as_well(tmp_path):
    path = write(
        tmp_path,
        '{"language": "de", "query": "lauter", "function": "Volume", "arguments": "{\\"step\\": 1}"}\n'
        '{"query": "louder", "function": "Volume", "arguments": {"step": 2}}\n',
    )
    first, second = load_golden(path).rows
    assert (first.language, first.call) == ("de", Call("Volume", {"step": 1}))
    assert second.call == Call("Volume", {"step": 2})


def test_a_row_that_does_not_name_its_function_is_no_row_without_a_call(tmp_path):
    with pytest.raises(InputError, match="says null"):
        load_golden(write(tmp_path, '{"query": "x", "funktion": "f", "args": {}}'))


def test_every_bad_line_is_named(tmp_path):
    bad = [
        '{"query": "x", "function": 5}',
        "no json",
        '{"query": ""}',
        "[]",
        '{"query": "x", "function": "f", "args": []}',
    ]
    path = write(tmp_path, "\n".join(bad))
    with pytest.raises(InputError) as caught:
        load_golden(path)
    assert [fault.line for fault in caught.value.faults] == [1, 2, 3, 4, 5]


def test_an_id_stands_for_one_row(tmp_path):
    path = write(tmp_path, '{"id": 1, "query": "x", "function": null}\n{"id": 1, "query": "y", "function": null}')
    with pytest.raises(InputError, match="line 1 too"):
        load_golden(path)


def test_an_empty_or_missing_file_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match="holds no rows"):
        load_golden(write(tmp_path, "\n"))
    with pytest.raises(InputError, match="cannot be read"):
        load_golden(tmp_path / "nosuch.jsonl")
