"""Faults of ``functions.json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.errors import Fault

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]

FILE = "functions.json"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"type": "function"', '"type": "tool"', 'type is not "function"'),
        ('"name": "search"', '"name": "se arch"', "is not a function name"),
        ('"description": "Find existing content that fits the user\'s words."', '"description": ""', "is empty"),
        ('"description": "Find', '"returns": 1, "description": "Find', "unknown key"),
        ('"type": "object"', '"type": "array"', "not a JSON Schema of an object"),
        ('"required": ["content_type", "prompt"]', '"required": "prompt"', "not a valid JSON Schema"),
        ('"prompt": {', '"words": {', "has no argument 'prompt'"),
        ('"content_type": {', '"kind": {', "has no argument 'content_type'"),
        ('"enum": ["image", "template", "icon", "background"],', "", "has no enum"),
        ('"enum": ["image", "template", ', '"enum": ["image", "image", "template", ', "listed twice"),
    ],
)
def test_a_faulty_tool_is_named_with_a_line(edit: Edit, faults: Faults, old: str, new: str, message: str) -> None:
    line = edit(FILE, old, new)
    found = [fault for fault in faults() if message in fault.message]
    assert found
    assert found[0].file.endswith(FILE)
    assert found[0].line is not None
    assert line - 6 <= found[0].line <= line + 3


def test_a_free_text_argument_with_an_enum_is_a_fault(edit: Edit, only_fault: OnlyFault) -> None:
    edit(FILE, '"description": "What the content shows', '"enum": ["a"], "description": "What the content shows')
    assert "text argument 'prompt' has an enum" in only_fault().message


def test_a_free_text_argument_must_be_a_string(edit: Edit, only_fault: OnlyFault) -> None:
    edit(FILE, '"prompt": {\n            "type": "string"', '"prompt": {\n            "type": "number"')
    assert "not of type string" in only_fault().message


def test_a_category_that_domain_yaml_does_not_know_is_named(edit: Edit, faults: Faults) -> None:
    line = edit(FILE, '"icon", "background"]', '"icon", "backdrop"]')
    found = [fault for fault in faults() if "category 'backdrop' is not one of domain.yaml" in fault.message]
    assert [fault.line for fault in found] == [line]


def test_a_category_that_no_function_offers_is_named(tiny: Path, faults: Faults) -> None:
    path = tiny / FILE
    path.write_text(path.read_text().replace(', "background"]', "]"))
    assert any("no function offers category 'background'" in fault.message for fault in faults())


def test_a_function_defined_twice_is_named_with_the_first_line(edit: Edit, faults: Faults) -> None:
    edit(FILE, '"name": "generate"', '"name": "search"')
    found = [fault for fault in faults() if "defined twice" in fault.message]
    assert len(found) == 1
    assert "first on line 5" in found[0].message


def test_duplicate_keys_are_named_with_their_line(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit(FILE, '"name": "generate"', '"name": "generate", "name": "make"')
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "1.function.name")
    assert "given twice" in fault.message


@pytest.mark.parametrize("text", ["[", "[1,]", '{"a": NaN}', "[] []", "'x'", "", "[" * 5000, '{"a" 1}', "[1 2]"])
def test_what_is_not_json_is_one_fault_with_a_line(tiny: Path, only_fault: OnlyFault, text: str) -> None:
    (tiny / FILE).write_text(text)
    fault = only_fault()
    assert "not valid JSON" in fault.message
    assert fault.line == 1


@pytest.mark.parametrize("text", ["{}", "[]", "3", '"tools"'])
def test_json_that_is_no_tool_list_is_one_fault(tiny: Path, only_fault: OnlyFault, text: str) -> None:
    (tiny / FILE).write_text(text)
    assert "not a list of tools" in only_fault().message


def test_tools_that_are_no_objects_are_named(tiny: Path, faults: Faults) -> None:
    (tiny / FILE).write_text('[3, {"type": "function"}]')
    messages = [fault.message for fault in faults()]
    assert messages == ["a tool is an object", "the tool has no function object"]
