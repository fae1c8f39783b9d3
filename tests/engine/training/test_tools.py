import json

import pytest

from routenator.engine.errors import InputError
from routenator.engine.training.tools import load_tools


def write(tmp_path, value):
    path = tmp_path / "functions.json"
    path.write_text(json.dumps(value))
    return path


def test_tools_and_bare_functions_are_read_as_tools(tmp_path):
    bare = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
    tool = {"type": "function", "function": {"name": "g", "parameters": {"type": "dict", "properties": {}}}}
    assert load_tools(write(tmp_path, [bare, tool])) == ({"type": "function", "function": bare}, tool)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "is no list of functions"),
        ([], "is no list of functions"),
        ([{"name": "f"}, {"nome": "g"}], "entry 2 is no function with a name"),
        ([{"name": "f"}, {"name": "f"}], "has the function f twice"),
        ([{"name": "f", "parameters": None}], "the parameters of f are no JSON schema of an object"),
        ([{"name": "f", "parameters": {"properties": []}}], "the parameters of f are no JSON schema of an object"),
    ],
)
def test_what_is_no_list_of_functions_is_refused_with_what_is_wrong(tmp_path, value, words):
    with pytest.raises(InputError) as caught:
        load_tools(write(tmp_path, value))
    assert words in str(caught.value.faults[0])
