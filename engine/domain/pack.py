"""A domain pack in memory: what `routenator.engine.domain.loading` reads. Nothing in it is code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from routenator.engine.config import Strict
from routenator.engine.routing.targets import Targets

IDENTIFIER = r"^[A-Za-z_]\w*$"
Identifier = Annotated[str, Field(pattern=IDENTIFIER, max_length=64)]


NO_CATEGORY = "none"
"""Category of a row whose function has no category argument, or that leaves it out."""

ArgumentKind = Literal["category", "text", "value"]


class Argument(Strict):
    """Where an argument's value comes from, and how it is compared."""

    kind: ArgumentKind
    """``category``: one of the categories; ``text``: free text, compared by meaning; ``value``: anything else."""
    node: Identifier | None = None
    """Node type whose labels are the values, said in the query as they stand. ``None``: a category is named by its
    keywords and labelled with its name, and a text is cut out of the query."""
    lowercase: float = Field(default=0.0, ge=0.0, le=1.0, strict=True)
    """Share of its spoken values that are said in small letters, "some bruce springsteen", but in slots of the casing
    ``mixed``, which are told by the capitals of names."""


@dataclass(frozen=True, slots=True)
class ArgumentRoles:
    """The arguments of one function by what the engine does with them.

    Attributes:
        category: The first category argument: the one that the targets speak of; ``None`` without one.
        free_text: The text argument that is cut out of the query; ``None`` where all values are spoken.
        spoken: Argument → node type, in the order of declaration, of those whose values are said as they stand.
    """

    category: str | None
    free_text: str | None
    spoken: Mapping[str, str]


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
    arguments: dict[str, dict[str, Argument]] = Field(min_length=1)
    """Function → argument. A function's arguments either all have nodes, any of them may be absent from a row, and the
    walk visits a node for each that is present; or they are one category and one text without nodes, and its walk
    is ``walk``."""
    walk: tuple[Identifier, ...] = ()
    """Node types in the order of a walk, such as UserIntent, DesignType, SceneObject, Action; empty where the arguments
    of every function have nodes."""
    edge_types: tuple[EdgeType, ...] = Field(min_length=1)
    categories: dict[str, Category]
    verbs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Function → verbs by which users ask for it, beside the labels of the walk's last type."""

    @cached_property
    def roles(self) -> dict[str, ArgumentRoles]:
        """Function → its arguments by role."""
        return {function: _roles(arguments) for function, arguments in self.arguments.items()}

    @cached_property
    def node_types(self) -> tuple[str, ...]:
        """Types of the walk and of the arguments, in order, each once."""
        spoken = (node_type for roles in self.roles.values() for node_type in roles.spoken.values())
        return tuple(dict.fromkeys((*self.walk, *spoken)))

    @cached_property
    def spoken_arguments(self) -> dict[str, frozenset[str]]:
        """Function → its arguments whose values are said as they stand, of the functions that have such."""
        return {function: frozenset(roles.spoken) for function, roles in self.roles.items() if roles.spoken}


def _roles(arguments: Mapping[str, Argument]) -> ArgumentRoles:
    categories = [name for name, argument in arguments.items() if argument.kind == "category"]
    texts = [name for name, argument in arguments.items() if argument.kind == "text" and argument.node is None]
    spoken = {name: argument.node for name, argument in arguments.items() if argument.node is not None}
    return ArgumentRoles(next(iter(categories), None), next(iter(texts), None), spoken)


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
