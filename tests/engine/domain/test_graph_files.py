"""Faults of ``graph/*.csv``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.loading import load_pack
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


def add_weights(pack: Path, weights: dict[str, str]) -> int:
    """Give ``nodes.csv`` a weight column, 1 where ``weights`` names no other; the last such row's line."""
    path = pack / NODES
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    ids = [row.split(",", 1)[0] for row in rows]
    rows = [f"{row},{weights.get(id_, '1')}" for id_, row in zip(ids, rows, strict=True)]
    path.write_text("\n".join((f"{header},weight", *rows, "")), encoding="utf-8")
    return max(line for line, id_ in enumerate(ids, 2) if id_ in weights)


def test_nodes_weigh_one_unless_a_seventh_column_says_otherwise(tiny: Path) -> None:
    assert {node.weight for node in load_pack(tiny).nodes} == {1.0}
    add_weights(tiny, {"action_find": "2.5"})
    assert {node.weight for node in load_pack(tiny).nodes if node.id != "action_find"} == {1.0}
    assert load_pack(tiny).nodes_by_id["action_find"].weight == 2.5


@pytest.mark.parametrize("weight", ["-1", "0", "nan", "inf", "1e999", "", "much"])
def test_a_node_with_a_faulty_weight_is_the_only_fault(tiny: Path, only_fault: OnlyFault, weight: str) -> None:
    line = add_weights(tiny, {"design_card": weight})
    fault = only_fault()
    assert (fault.line, fault.field) == (line, "weight")
    assert repr(weight) in fault.message


def test_a_weight_column_makes_rows_of_six_ragged(tiny: Path, edit: Edit, faults: Faults) -> None:
    edit(NODES, "categories,functions", "categories,functions,weight")
    assert all("has 6 fields, the header has 7" in fault.message for fault in faults() if fault.file.endswith(NODES))


def test_a_seventh_column_of_another_name_is_named(edit: Edit, faults: Faults) -> None:
    edit(NODES, "categories,functions", "categories,functions,odds")
    found = [fault for fault in faults() if fault.file.endswith(NODES)]
    assert [fault.line for fault in found] == [1]
    assert "categories,functions or id,type,label,aliases,categories,functions,weight" in found[0].fix


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
