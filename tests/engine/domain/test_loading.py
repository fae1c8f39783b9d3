"""A sound pack loads; a pack with faults names all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.coverage import reachable_cells
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import GraphEdge, GraphNode
from routenator.engine.errors import DomainError, Fault

Edit = Callable[[str, str, str], int]
Faults = Callable[[], tuple[Fault, ...]]
OnlyFault = Callable[[], Fault]


def test_the_tiny_pack_loads_whole(tiny: Path) -> None:
    pack = load_pack(tiny)
    assert [function.name for function in pack.functions] == ["search", "generate"]
    assert (len(pack.nodes), len(pack.edges), len(pack.content)) == (32, 82, 16)
    assert pack.nodes_by_id["design_card"].categories == {"template", "image"}
    assert pack.nodes_by_id["object_cup"].aliases == ("mug", "cappuccino")
    assert all(pack.image_path(item.image).is_file() for item in pack.content if item.image)


def test_every_cell_of_the_tiny_pack_is_reachable(tiny: Path) -> None:
    pack = load_pack(tiny)
    reached = reachable_cells(pack.spec, pack.functions_by_name, pack.nodes, pack.edges)
    assert reached == {(f, c) for f in pack.functions_by_name for c in pack.spec.categories}


def test_a_pack_is_found_by_relative_path_as_well(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.parent)
    assert load_pack("tiny").digest == load_pack(tiny).digest


def test_a_missing_folder_is_named_with_the_shipped_packs(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="no such pack folder"):
        load_pack(tmp_path / "nowhere")


def test_the_digest_is_of_names_and_bytes(tiny: Path) -> None:
    first = load_pack(tiny).digest
    assert load_pack(tiny).digest == first
    (tiny / "notes.txt").write_text("new")
    with_notes = load_pack(tiny).digest
    (tiny / "notes.txt").rename(tiny / "remarks.txt")
    assert len({first, with_notes, load_pack(tiny).digest}) == 3


def test_hidden_files_are_no_part_of_the_digest(tiny: Path) -> None:
    first = load_pack(tiny).digest
    (tiny / ".DS_Store").write_text("x")
    assert load_pack(tiny).digest == first


def test_faults_of_every_file_are_named_at_once(tiny: Path, edit: Edit, faults: Faults) -> None:
    edit("domain.yaml", "license: Apache-2.0", "license: Apache-2.0\nlicence: MIT")
    edit("functions.json", '"name": "generate"', '"name": "gene rate"')
    edit("graph/nodes.csv", "object_cake,SceneObject", "object_cake,Scenery")
    edit("graph/edges.csv", "intent_trip,design_card,NEEDS,1", "intent_trip,design_nowhere,NEEDS,-1")
    edit("content.jsonl", "images/cat.png", "../cat.png")
    edit("targets.yaml", "search: 0.7", "search: -0.7")
    found = faults()
    files = {Path(fault.file).name for fault in found}
    assert files >= {"domain.yaml", "functions.json", "edges.csv", "content.jsonl"}
    assert len(found) >= 5
    assert all(fault.fix for fault in found)


@pytest.mark.parametrize(
    "file", ["domain.yaml", "functions.json", "graph/nodes.csv", "graph/edges.csv", "content.jsonl", "targets.yaml"]
)
def test_a_missing_file_is_a_fault(tiny: Path, faults: Faults, file: str) -> None:
    (tiny / file).unlink()
    assert any(fault.file.endswith(file) and fault.message == "no such file" for fault in faults())


@pytest.mark.parametrize("file", ["domain.yaml", "functions.json", "graph/nodes.csv", "content.jsonl", "targets.yaml"])
def test_a_file_that_is_not_utf_8_is_named_with_the_line(tiny: Path, faults: Faults, file: str) -> None:
    path = tiny / file
    lines = path.read_bytes().split(b"\n")
    lines[2] += b" \xe9"
    path.write_bytes(b"\n".join(lines))
    fault = next(fault for fault in faults() if fault.file.endswith(file))
    assert "0xe9 is not UTF-8" in fault.message
    assert fault.line == 3


def test_an_unknown_key_is_named_with_the_line(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit("domain.yaml", "license: Apache-2.0", "licence: Apache-2.0\nlicense: MIT")
    fault = only_fault()
    assert (fault.line, fault.field, fault.message) == (line, "licence", "unknown key")


def test_an_unknown_key_of_the_targets_is_named_with_the_line(edit: Edit, only_fault: OnlyFault) -> None:
    line = edit("targets.yaml", "      - axes: [phrasing]", "      - weight: 3\n        axes: [phrasing]")
    fault = only_fault()
    assert (fault.line, fault.message) == (line, "unknown key")
    assert fault.field == "tables.2.marginals.0.weight"


def test_a_symbolic_link_out_of_the_pack_is_a_fault_wherever_it_stands(tiny: Path, only_fault: OnlyFault) -> None:
    (tiny / "prompts").symlink_to("/etc")
    assert "leaves the pack" in only_fault().message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tiny", "name: 1tiny", "pattern"),
        ("name: SHOWS", "name: SHOWS`) DETACH DELETE", "pattern"),
        ("name: SHOWS", "name: NEEDS", "declared twice"),
        (
            "source: SceneObject, target: Action",
            "source: SceneObject, target: UserIntent",
            "no walk visits",
        ),
        ("walk: [UserIntent, ", "walk: [UserIntent, Mood, ", "no edge type joins UserIntent to Mood"),
        ("keywords: {en: [icon,", "keywords: {de: [icon,", "no keywords in language 'en'"),
        ("languages: [en]", "languages: [English]", "not a language tag"),
        ("prompt: {kind: text}", "prompt: {kind: category}", "are not one category and one text"),
        ("prompt: {kind: text}", "prompt: {kind: text, node: SceneObject}", "have a node and others do not"),
        ("prompt: {kind: text}", "prompt: {kind: text, lowercase: 0.5}", "has lowercase, and no node type"),
        ("walk: [UserIntent, DesignType, SceneObject, Action]", "walk: [UserIntent]", "two node types or more"),
        ("A small, plain symbol for an interface or a map.", '""', "the description is empty"),
    ],
)
def test_domain_yaml_must_fit_together(edit: Edit, faults: Faults, old: str, new: str, message: str) -> None:
    line = edit("domain.yaml", old, new)
    found = [fault for fault in faults() if message in fault.message]
    assert found
    assert found[0].file.endswith("domain.yaml")
    assert found[0].line is not None
    assert abs(found[0].line - line) <= 3


def test_reachability_needs_one_walk_that_allows_the_pair_at_every_node(tiny: Path) -> None:
    pack = load_pack(tiny)
    ids = ("intent", "design", "object", "action")
    nodes = [
        GraphNode(id_, type_, id_, categories=frozenset(categories), functions=frozenset(functions))
        for id_, type_, categories, functions in zip(
            ids,
            pack.spec.walk,
            [["image", "icon"], ["icon", "template"], [], []],
            [[], [], [], ["search"]],
            strict=True,
        )
    ]
    types = ("NEEDS", "SHOWS", "INVITES")
    edges = [GraphEdge(a, b, t, 1.0) for a, b, t in zip(ids, ids[1:], types, strict=False)]
    assert reachable_cells(pack.spec, ("search", "generate"), nodes, edges) == {("search", "icon")}
    assert reachable_cells(pack.spec, ("search", "generate"), nodes, edges[:2]) == set()
