"""Faults of ``targets.yaml`` against the rest of the pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.errors import Fault

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]

FILE = "targets.yaml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("generate: {image: 0.6", "generate: {video: 0.6", "unknown category 'video'"),
        ("{search: 0.7, generate: 0.3}", "{search: 0.7, generate: 0.2, edit: 0.1}", "unknown function 'edit'"),
        ("vision: 0.2", "sight: 0.2", "unknown route 'sight'"),
        ("fragment: 0.5", "shout: 0.5", "unknown phrasing 'shout'"),
        ("absent: 0.15", "nowhere: 0.15", "unknown keyword_position 'nowhere'"),
        ("generate: {4-6: 0.3", "generate: {6-4: 0.3", "words from-to"),
        ("generate: {4-6: 0.3", "generate: {some: 0.3", "words from-to"),
    ],
)
def test_an_unknown_name_is_a_fault_with_its_line(edit: Edit, faults: Faults, old: str, new: str, message: str) -> None:
    line = edit(FILE, old, new)
    found = [fault for fault in faults() if message in fault.message]
    assert [(Path(fault.file).name, fault.line) for fault in found] == [(FILE, line)]


def test_an_unknown_language_is_a_fault(tiny: Path, only_fault: OnlyFault) -> None:
    with (tiny / FILE).open("a") as file:
        file.write("  - axes: [language]\n    marginals:\n      - {axes: [language], shares: {en: 1, de: 1}}\n")
    fault = only_fault()
    assert fault.message == "unknown language 'de'"
    assert "en" in fault.fix


@pytest.mark.parametrize("share", ["-0.5", ".nan", ".inf", "lots", "true"])
def test_a_share_must_be_a_number_of_zero_or_more(edit: Edit, only_fault: OnlyFault, share: str) -> None:
    line = edit(FILE, "fragment: 0.5", f"fragment: {share}")
    fault = only_fault()
    assert fault.line == line
    assert fault.field == "tables.2.marginals.0.shares.fragment"


def test_marginals_that_no_joint_can_satisfy_are_named_by_their_cells(tiny: Path, faults: Faults) -> None:
    (tiny / FILE).write_text(
        (tiny / FILE)
        .read_text()
        .replace(
            "  - axes: [route]\n    marginals:\n",
            "  - axes: [route, language]\n    marginals:\n"
            "      - axes: [route, language]\n        shares: {heuristic: {en: 1}, text: {en: 1}, vision: {en: 1}}\n",
        )
    )
    found = faults()
    assert any("no joint table over route, language" in fault.message for fault in found)
    assert any("route=vision" in fault.message for fault in found)
    assert all(fault.line is not None for fault in found)


def test_a_wanted_category_that_the_function_does_not_offer_is_named(edit: Edit, only_fault: OnlyFault) -> None:
    edit("functions.json", '["image", "template", "icon", "background"]', '["image", "template", "icon"]')
    fault = only_fault()
    assert "function=search, category=background" in fault.message
    assert "enum does not allow" in fault.message
    assert fault.line == 9  # the line of search's shares


def test_a_category_without_a_share_need_not_be_offered(tiny: Path, edit: Edit) -> None:
    from routenator.engine.domain.loading import load_pack

    edit("functions.json", '["image", "template", "icon", "background"]', '["image", "template", "icon"]')
    edit(FILE, "icon: 0.15, background: 0.1}", "icon: 0.25, background: 0}")
    assert load_pack(tiny).functions[0].name == "search"


def test_a_wanted_cell_that_no_walk_reaches_is_named(tiny: Path, faults: Faults) -> None:
    edges = tiny / "graph" / "edges.csv"
    lines = [line for line in edges.read_text().splitlines() if "design_icon,object" not in line]
    edges.write_text("\n".join(lines))
    nodes = tiny / "graph" / "nodes.csv"
    nodes.write_text(nodes.read_text().replace("template|background|icon", "template|background"))
    messages = [fault.message for fault in faults()]
    assert len(messages) == 2
    assert "function=search, category=icon, but no walk" in messages[0]
    assert "function=generate, category=icon, but no walk" in messages[1]


def test_separate_tables_for_function_and_category_want_every_pair(tiny: Path, edit: Edit, faults: Faults) -> None:
    (tiny / FILE).write_text(
        "tables:\n"
        "  - {axes: [function], marginals: [{axes: [function], shares: {search: 1, generate: 1}}]}\n"
        "  - {axes: [category], marginals: [{axes: [category], shares: {image: 1, icon: 1}}]}\n"
        "  - {axes: [route], marginals: [{axes: [route], shares: {text: 1}}]}\n"
    )
    edit("functions.json", '["image", "template", "icon", "background"]', '["image", "template", "background"]')
    assert ["function=search, category=icon" in fault.message for fault in faults()] == [True]
