"""A pack of designs in memory, wide enough to tell good queries from bad, and a maker of cases."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import (
    Argument,
    Category,
    DomainPack,
    DomainSpec,
    EdgeType,
    FunctionTool,
    GraphNode,
)
from routenator.engine.routing.targets import Targets
from routenator.engine.sample import ANY, Candidate, ContentRef, Finding, Grounding, NodeRef, Stratum
from routenator.engine.validation.case import Case
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.rules import check_rules

KEYWORDS = {
    "template": (
        "A ready-made layout to change, such as a card, a flyer or a poster.",
        "template layout flyer poster card",
    ),
    "image": ("A photo or a picture of a scene or an object.", "image picture photo photograph pic"),
    "icon": ("A small, plain symbol for an interface or a map.", "icon symbol pictogram"),
    "background": (
        "A backdrop or wallpaper that fills the space behind other things.",
        "background backdrop wallpaper",
    ),
    "video": ("A moving clip to play.", "video clip footage movie"),
    "logo": ("A mark by which a business is known.", "logo emblem"),
    "font": ("A typeface for lettering.", "font typeface lettering"),
}

ACTIONS = [
    GraphNode("act_find", "Action", "find", ("look for", "show me"), functions=frozenset({"search"})),
    GraphNode("act_browse", "Action", "browse", ("download",), functions=frozenset({"search"})),
    GraphNode("act_make", "Action", "make", ("create", "put together"), functions=frozenset({"generate"})),
    GraphNode("act_draw", "Action", "draw", ("paint", "illustrate"), functions=frozenset({"generate"})),
    GraphNode("act_record", "Action", "record", functions=frozenset({"generate"})),
    GraphNode("act_play", "Action", "play me", ("pull up",), functions=frozenset({"search"})),
    GraphNode("act_get", "Action", "get"),
]


@pytest.fixture(scope="session")
def pack() -> DomainPack:
    names = ["search", "generate"]
    parameters = {
        "type": "object",
        "properties": {"content_type": {"type": "string", "enum": list(KEYWORDS)}, "prompt": {"type": "string"}},
        "required": ["content_type", "prompt"],
        "additionalProperties": False,
    }
    descriptions = {"search": "Find existing content.", "generate": "Make new content."}
    tools = tuple(FunctionTool(name, descriptions[name], parameters, {}) for name in names)
    spec = DomainSpec(
        name="designs",
        version="1",
        description="Designs for tests.",
        license="Apache-2.0",
        languages=("en",),
        arguments={
            name: {"content_type": Argument(kind="category"), "prompt": Argument(kind="text")}
            for name in ("search", "generate")
        },
        walk=("UserIntent", "DesignType", "SceneObject", "Action"),
        edge_types=(EdgeType(name="NEEDS", source="UserIntent", target="DesignType"),),
        categories={
            name: Category(description=description, keywords={"en": tuple(words.split())})
            for name, (description, words) in KEYWORDS.items()
        },
    )
    marginals = [{"axes": [axis], "shares": {"any": 1}} for axis in ("route", "function", "category")]
    targets = Targets.model_validate({"tables": [{"axes": ["route", "function", "category"], "marginals": marginals}]})
    nodes = (*ACTIONS, GraphNode("dt_icon_set", "DesignType", "icon set", categories=frozenset({"icon"})))
    return DomainPack(Path("designs"), spec, tools, nodes, (), (), targets, "0" * 64)


@pytest.fixture(scope="session")
def lexicon(pack: DomainPack) -> Lexicon:
    return Lexicon.from_pack(pack)


MakeCase = Callable[..., Case]


@pytest.fixture(scope="session")
def make_case(pack: DomainPack, lexicon: Lexicon) -> MakeCase:
    def make(
        query: str,
        free_text: str,
        label: str,
        about: str,
        title: str | None = None,
        examples: frozenset[str] = frozenset(),
        nodes: tuple[NodeRef, ...] = (),
        **axes: str,
    ) -> Case:
        """``label`` is ``function category``; ``about`` is ``intent | design | object``."""
        function, category = label.split()
        types = ("UserIntent", "DesignType", "SceneObject")
        walk = [
            NodeRef(f"{kind}_{i}", kind, text.strip())
            for i, (kind, text) in enumerate(zip(types, about.split("|"), strict=False))
        ]
        content = None if title is None else ContentRef("item_1", title, (), category)
        grounding = Grounding((*walk, *nodes), (), content)
        stratum = Stratum("text", function, category, **{"length": ANY, **axes})
        candidate = Candidate(query, {"content_type": category, "prompt": free_text})
        return Case(candidate, stratum, grounding, pack, lexicon, examples)

    return make


@pytest.fixture(scope="session")
def check() -> Callable[[Case], tuple[Finding, ...]]:
    def check(case: Case) -> tuple[Finding, ...]:
        return check_rules(case.candidate, case.stratum, case.grounding, case.pack, case.lexicon, case.examples)

    return check


@pytest.fixture(scope="session")
def tiny_pack() -> DomainPack:
    return load_pack(Path(__file__).parents[2] / "packs" / "tiny")


@pytest.fixture(scope="session")
def draw(tiny_pack: DomainPack) -> Callable[[str, str, int], Grounding]:
    nodes = tiny_pack.nodes_by_id

    def paths(start: str) -> list[list[str]]:
        targets = [edge.target for edge in tiny_pack.edges if edge.source == start]
        return [[start, *path] for target in targets for path in paths(target)] if targets else [[start]]

    every_path = [path for node in tiny_pack.nodes if node.type == "UserIntent" for path in paths(node.id)]

    def draw(function: str, category: str, seed: int) -> Grounding:
        served = [
            path
            for path in every_path
            if len(path) == len(tiny_pack.spec.walk)
            and all(not nodes[name].categories or category in nodes[name].categories for name in path)
            and all(not nodes[name].functions or function in nodes[name].functions for name in path)
        ]
        path = random.Random(seed).choice(served)
        return Grounding(tuple(NodeRef(name, nodes[name].type, nodes[name].label) for name in path), ())

    return draw
