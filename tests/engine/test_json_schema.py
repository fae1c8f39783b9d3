import pytest

from routenator.engine.json_schema import SchemaError, check_schema, find_errors


def test_what_does_not_fit_is_said_with_its_place():
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}}}
    [error] = find_errors(schema, {"a": {"b": "x"}})
    assert (error.message, error.instance_path) == ('"x" is not of type "integer"', ["a", "b"])
    assert not list(find_errors(schema, {"a": {"b": 1}}))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"a": {"type": "strin"}}}, ("properties", "a", "type")),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, ()),
        ({"$ref": "#/$defs/nowhere"}, ()),
        ({"maxLength": 10**30}, ()),
        ({"description": "\ud800"}, ()),
    ],
)
def test_what_is_no_schema_is_refused_when_it_is_checked(schema, path):
    with pytest.raises(SchemaError) as caught:
        check_schema(schema)
    assert caught.value.path == path
    with pytest.raises(SchemaError):
        find_errors(schema, {})
