"""A domain pack in memory: what `routenator.engine.domain.loading` reads. Nothing in it is code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from routenator.engine.config import Strict
from routenator.engine.routing.targets import Targets

IDENTIFIER = r"^[A-Za-z_]\w*$"
Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=64)]


class ArgumentNames(Strict):
    """Which arguments of the functions carry the category and the free text."""

    category: str
    free_text: str


class EdgeType(Strict):
    """A typed edge of the knowledge graph."""

    name: Identifier
    source: Identifier
    target: Identifier


class Category(Strict):
    """One value of the category argument."""

    description: str
    """One sentence for people, judges and the sentence model."""
    keywords: dict[str, tuple[str, ...]]
    """Language → words and phrases by which users name the category; the first is the plain name."""


class DomainSpec(Strict):
    """``domain.yaml``."""

    name: Identifier
    version: str
    description: str
    license: str
    languages: tuple[str, ...] = Field(min_length=1)
    arguments: ArgumentNames
    walk: tuple[Identifier, ...] = Field(min_length=2)
    """Node types in the order of a walk, such as UserIntent, DesignType, SceneObject, Action."""
    edge_types: tuple[EdgeType, ...] = Field(min_length=1)
    categories: dict[str, Category]

    @property
    def node_types(self) -> tuple[str, ...]:
        """Every node type that a walk can visit."""
        return self.walk


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """One tool of ``functions.json``; ``tool`` is the object as OpenAI's ``tools`` list takes it."""

    name: str
    description: str
    parameters: dict[str, Any]
    tool: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A row of ``graph/nodes.csv``: ``id,type,label,aliases,categories,functions`` and, if the file has it, ``weight``.

    ``aliases``, ``categories`` and ``functions`` are ``|``-separated. The last two say what a walk through this node
    can be labelled with; empty: any. ``weight`` > 0: how likely it is to be drawn where no edge leads to it.
    """

    id: str
    type: str
    label: str
    aliases: tuple[str, ...] = ()
    categories: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A row of ``graph/edges.csv``: ``source,target,type,weight``; weight > 0."""

    source: str
    target: str
    type: str
    weight: float


@dataclass(frozen=True, slots=True)
class ContentItem:
    """A line of ``content.jsonl``. ``image`` is a POSIX path inside the pack."""

    id: str
    title: str
    keywords: tuple[str, ...]
    type: str
    image: str | None = None
    locale: str = "en-US"
    is_animated: bool = False
    is_ai_generated: bool = False


@dataclass(frozen=True)
class DomainPack:
    """A validated pack. ``digest`` is the SHA-256 (hex) of all its files; it keys the graph cache and the run."""

    root: Path
    spec: DomainSpec
    functions: tuple[FunctionTool, ...]
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    content: tuple[ContentItem, ...]
    targets: Targets
    digest: str

    @cached_property
    def functions_by_name(self) -> dict[str, FunctionTool]:
        """Function name → tool."""
        return {function.name: function for function in self.functions}

    @cached_property
    def nodes_by_id(self) -> dict[str, GraphNode]:
        """Node id → node."""
        return {node.id: node for node in self.nodes}

    def image_path(self, image: str) -> Path:
        """Absolute path of a content item's image; the loader has checked that it stays inside the pack."""
        return self.root / image
