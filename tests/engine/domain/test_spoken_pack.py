"""Faults of packs whose arguments are spoken: domain.yaml, functions.json, and targets.yaml against both."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import Fault
from routenator.engine.kg.store import build_graph, load_adjacency

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]

SPOKEN = Path(__file__).parents[2] / "packs" / "spoken"
ALARM = """\
    label: {kind: text, node: Label}
    day: {kind: value, node: Day}
    time: {kind: value, node: Time}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A fresh copy of the spoken pack, in the place of the tiny one."""
    return Path(shutil.copytree(SPOKEN, tmp_path / "spoken"))


def line_of(path: Path, start: str, nth: int = 1) -> int:
    """1-based line of the ``nth`` line that begins with ``start``."""
    lines = path.read_text("utf-8").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.startswith(start)][nth - 1]


def matching(found: tuple[Fault, ...], message: str) -> Fault:
    """The one fault that says ``message``; all of them name a file and a fix."""
    assert all(fault.file and fault.fix for fault in found)
    fitting = [fault for fault in found if message in fault.message]
    assert len(fitting) == 1, [str(fault) for fault in found]
    return fitting[0]


def test_the_pack_is_sound_and_keeps_the_weights_of_its_nodes(tmp_path: Path) -> None:
    pack = load_pack(SPOKEN)
    weights = {node.id: node.weight for node in pack.nodes}
    assert (weights["city_lisbon"], weights["place_restaurant"], weights["time_noon"]) == (3, 5, 1)
    graph = load_adjacency(build_graph(pack, tmp_path))
    assert {node.id: weight for node, weight in zip(graph.nodes, graph.node_weights, strict=True)} == weights
    assert sorted(graph.weights.tolist()) == sorted(edge.weight for edge in pack.edges)


def test_without_a_column_of_weights_every_node_weighs_one(tiny: Path) -> None:
    nodes = tiny / "graph" / "nodes.csv"
    nodes.write_text(re.sub(r",[^,\n]*$", "", nodes.read_text(), flags=re.MULTILINE))
    assert {node.weight for node in load_pack(tiny).nodes} == {1.0}


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (ALARM.replace(", node: Day", ""), "some arguments of 'set_alarm' have a node and others do not"),
        (re.sub(r", node: \w+", "", ALARM), "'set_alarm' without a node are not one category and one text"),
        ("    label: {kind: text}\n", "'set_alarm' without a node are not one category and one text"),
        ("    label: {kind: text}\n    day: {kind: category}\n", "and there is no walk that grounds them"),
    ],
)
def test_arguments_are_all_spoken_or_one_category_and_one_text(
    tiny: Path, edit: Edit, faults: Faults, new: str, message: str
) -> None:
    edit("domain.yaml", ALARM, new)
    fault = matching(faults(), message)
    assert (Path(fault.file).name, fault.field) == ("domain.yaml", "arguments.set_alarm")
    assert fault.line == line_of(tiny / "domain.yaml", "  set_alarm:")


@pytest.mark.parametrize(
    ("old", "new", "message", "field"),
    [
        ("set_alarm: [set, wake me]", "alarm: [set, wake me]", "'alarm', which has no arguments", "verbs.alarm"),
        ("set_alarm: [set, wake me]", 'set_alarm: [set, ""]', "the verb is empty", "verbs.set_alarm.1"),
        ("  hotel:", "  none:", "'none' stands for a row without a category", "categories.none"),
    ],
)
def test_verbs_and_categories_must_be_names_that_can_be_used(
    edit: Edit, only_fault: OnlyFault, old: str, new: str, message: str, field: str
) -> None:
    line = edit("domain.yaml", old, new)
    fault = only_fault()
    assert message in fault.message and fault.fix
    assert (Path(fault.file).name, fault.line, fault.field) == ("domain.yaml", line, field)


def test_a_function_that_domain_yaml_does_not_declare_is_named_and_the_one_that_is_missing(
    edit: Edit, faults: Faults
) -> None:
    line = edit("functions.json", '"set_alarm"', '"set_timer"')
    found = faults()
    assert matching(found, "does not say the arguments of function 'set_timer'").line == line
    missing = matching(found, "domain.yaml has arguments of function 'set_alarm', which is not here")
    assert Path(missing.file).name == "functions.json"


def test_a_function_of_domain_yaml_that_is_not_in_the_tools_is_named(tiny: Path, faults: Faults) -> None:
    path = tiny / "functions.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))
    assert matching(faults(), "arguments of function 'set_alarm', which is not here").line == 1


@pytest.mark.parametrize(
    ("old", "new", "message", "off"),
    [
        ('"required": ["time"]', '"required": ["time", "volume"]', "'set_alarm' requires 'volume'", 0),
        ('"day": {', '"weekday": {', "function 'set_alarm' has no argument 'day'", -2),
        (
            '"day": {"type": "string",',
            '"day": {"type": "string", "enum": ["x"],',
            "value argument 'day' has an enum",
            0,
        ),
        ('"day": {"type": "string"', '"day": {"type": "number"', "value argument 'day' is not of type string", 0),
    ],
)
def test_the_tools_have_the_arguments_that_domain_yaml_declares(
    edit: Edit, only_fault: OnlyFault, old: str, new: str, message: str, off: int
) -> None:
    line = edit("functions.json", old, new)
    fault = only_fault()
    assert message in fault.message and fault.fix
    assert (Path(fault.file).name, fault.line) == ("functions.json", line + off)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("city+venue", "'city+venue' are not spoken arguments of one function"),
        ("city+day", "'city+day' are not spoken arguments of one function"),
        ("place+city", "'place+city' does not name arguments in alphabetical order"),
        ("city+city", "'city+city' does not name arguments in alphabetical order"),
    ],
)
def test_a_set_of_arguments_is_of_one_function_and_sorted(edit: Edit, faults: Faults, value: str, message: str) -> None:
    edit("targets.yaml", "city+time: {none: 1}", f"{value}: {{none: 1}}")
    line = edit("targets.yaml", "city+time: 6", f"{value}: 6")
    found = [fault for fault in faults() if message in fault.message]
    assert line in {fault.line for fault in found}
    assert {(Path(fault.file).name, fault.fix) for fault in found} == {("targets.yaml", "Write it as in artist+track")}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("functions.json", '["city"]', '["city", "time"]', "category=restaurant, arguments=city+place, but time is"),
        ("targets.yaml", "city+time: {none: 1}", "city+time: {cafe: 1}", "just where place is absent"),
        ("targets.yaml", "{restaurant: 3, cafe: 2}", "{restaurant: 3, none: 2}", "just where place is absent"),
        ("targets.yaml", " day+time: {none: 1}", " day+time: {cafe: 1}", "just where a category argument is absent"),
    ],
)
def test_a_cell_that_no_row_can_be_is_named(
    edit: Edit, faults: Faults, file: str, old: str, new: str, message: str
) -> None:
    edit(file, old, new)
    fault = matching(faults(), message)
    assert Path(fault.file).name == "targets.yaml" and fault.line is not None
    assert "name it in zero" in fault.fix


def test_a_cell_with_another_functions_argument_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit("targets.yaml", "city+time: {none: 1}", "day+time: {none: 1}")
    edit("targets.yaml", "city+time: 6", "day+time: 6")
    fault = only_fault()
    assert "function=book_table, category=none, arguments=day+time, but the function has no argument day" in str(fault)
    assert fault.line is not None and fault.line <= line


def test_arguments_that_no_table_joins_with_function_and_category_are_a_fault(
    tiny: Path, only_fault: OnlyFault
) -> None:
    shares = {"function": {"set_alarm": 1}, "category": {"none": 1}, "arguments": {"time": 1}, "route": {"text": 1}}
    tables = [{"axes": [axis], "marginals": [{"axes": [axis], "shares": one}]} for axis, one in shares.items()]
    (tiny / "targets.yaml").write_text(yaml.safe_dump({"tables": tables}))
    fault = only_fault()
    assert "no table joins function, category and arguments" in fault.message
    assert (fault.field, fault.line) == ("tables", 1)


def test_a_category_that_no_node_names_cannot_be_wanted(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit("targets.yaml", "{restaurant: 3, cafe: 2}", "{restaurant: 3, hotel: 2}")
    fault = only_fault()
    assert "function=book_table, category=hotel, but no walk reaches" in fault.message
    assert fault.line == line
