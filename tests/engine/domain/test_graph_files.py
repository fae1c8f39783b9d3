"""Faults of ``graph/*.csv``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.errors import Fault

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]

NODES = "graph/nodes.csv"
EDGES = "graph/edges.csv"


@pytest.mark.parametrize("weight", ["-1", "0", "nan", "inf", "1e999", "", "much"])
def test_a_weight_must_be_a_finite_number_above_zero(edit: Edit, only_fault: OnlyFault, weight: str) -> None:
    line = edit(EDGES, "intent_trip,design_card,NEEDS,1", f"intent_trip,design_card,NEEDS,{weight}")
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "weight")
    assert repr(weight) in fault.message


def test_a_dangling_edge_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit(EDGES, "intent_trip,design_card,", "intent_trip,design_crad,")
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "target")
    assert "'design_crad' does not exist" in fault.message


def test_an_edge_of_an_undeclared_type_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit(EDGES, "intent_trip,design_card,NEEDS", "intent_trip,design_card,WANTS")
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "type")
    assert "'WANTS' is not declared" in fault.message


def test_an_edge_between_the_wrong_node_types_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit(EDGES, "intent_trip,design_card,NEEDS", "intent_trip,object_cat,NEEDS")
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "target")
    assert "NEEDS joins UserIntent to DesignType" in fault.message


def test_a_duplicate_edge_is_named_with_the_first_line(edit: Edit, only_fault: OnlyFault) -> None:
    edit(EDGES, "intent_trip,design_card,NEEDS,1", "intent_birthday,design_card,NEEDS,1")
    assert "given twice (first on line 2)" in only_fault().message


def test_a_duplicate_node_is_named_with_the_first_line(edit: Edit, faults: Faults) -> None:
    line = edit(NODES, "intent_trip,", "intent_birthday,")
    found = [fault for fault in faults() if "defined twice" in fault.message]
    assert [fault.line for fault in found] == [line]
    assert "first on line 2" in found[0].message


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("object_cake,SceneObject", "object_cake,Scenery", "type", "'Scenery' is not a node type"),
        ("poster,placard,template|image", "poster,placard,template|imgae", "categories", "'imgae' is not a category"),
        ("find,look for,,search", "find,look for,,seek", "functions", "'seek' is not a function"),
        ("action_find,Action,find,", "action_find,Action,,", "label", "the label is empty"),
        ("look for,,", "look for||gaze,,", "aliases", "an alias is empty"),
        ("look for,,", "look\x1b[2Kfor,,", "aliases", "U+001B"),
    ],
)
def test_a_faulty_node_is_named_with_line_and_column(
    edit: Edit, faults: Faults, old: str, new: str, field: str, message: str
) -> None:
    line = edit(NODES, old, new)
    found = [fault for fault in faults() if fault.file.endswith(NODES)]
    assert [(fault.line, fault.field) for fault in found] == [(line, field)]
    assert message in found[0].message


@pytest.mark.parametrize("node_id", ["a b", "-x", "", "x" * 129, "a'", "naïve", "a\\b"])
def test_a_node_id_must_be_plain(tiny: Path, only_fault: OnlyFault, node_id: str) -> None:
    with (tiny / NODES).open("a") as file:
        file.write(f"{node_id},Action,wave,,,\n")
    fault = only_fault()
    assert (fault.line, fault.field) == (34, "id")


@pytest.mark.parametrize("file", [NODES, EDGES])
def test_a_bad_header_is_one_fault_of_that_file(tiny: Path, faults: Faults, file: str) -> None:
    path = tiny / file
    path.write_text(path.read_text().replace(",", ";"))
    found = [fault for fault in faults() if fault.file.endswith(file)]
    assert [fault.line for fault in found] == [1]
    assert "The first line must be" in found[0].fix


def test_an_empty_csv_has_no_header(tiny: Path, faults: Faults) -> None:
    (tiny / EDGES).write_text("")
    assert any(fault.file.endswith(EDGES) and fault.line == 1 for fault in faults())


def test_a_ragged_row_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit(EDGES, "intent_trip,design_card,NEEDS,1", "intent_trip,design_card,NEEDS")
    fault = only_fault()
    assert fault.line == line
    assert "has 3 fields" in fault.message


def test_an_open_quote_is_a_fault_not_a_crash(edit: Edit, faults: Faults) -> None:
    edit(EDGES, "intent_trip,design_card,NEEDS,1", '"intent_trip,design_card,NEEDS,1')
    assert any("not valid CSV" in fault.message for fault in faults())
