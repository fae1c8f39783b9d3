"""What a pack says of its functions, in the form in which real queries are measured against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routenator.engine.domain.coverage import reachable_cells
from routenator.engine.domain.pack import DomainPack
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.words import fold_words


@dataclass(frozen=True, slots=True)
class DeclaredFunction:
    """A function's arguments.

    Attributes:
        arguments: All names.
        category: The argument that holds the category; ``None`` without one.
        is_spoken: Values of arguments are spans of the query; the category argument's is no category's name then.
        categories: Those that the function can be labelled with.
    """

    arguments: frozenset[str]
    category: str | None
    is_spoken: bool
    categories: frozenset[str]


@dataclass(frozen=True)
class DeclaredPack:
    """Functions by name, the words for categories and actions, and the words that the pack itself knows."""

    functions: Mapping[str, DeclaredFunction]
    categories: frozenset[str]
    lexicon: Lexicon
    languages: Sequence[str]
    words: frozenset[str]

    @property
    def has_spoken(self) -> bool:
        """Whether some function's arguments are spans of the query."""
        return any(function.is_spoken for function in self.functions.values())

    @classmethod
    def from_pack(cls, pack: DomainPack) -> DeclaredPack:
        """Read a pack."""
        cells = reachable_cells(pack.spec, pack.functions_by_name, pack.nodes, pack.edges)
        functions = {
            function.name: DeclaredFunction(
                frozenset(function.parameters.get("properties", {})),
                pack.spec.roles[function.name].category,
                bool(pack.spec.roles[function.name].spoken),
                frozenset(category for name, category in cells if name == function.name),
            )
            for function in pack.functions
        }
        texts = [text for node in pack.nodes for text in (node.label, *node.aliases)]
        texts += [word for c in pack.spec.categories.values() for words in c.keywords.values() for word in words]
        words = frozenset(word for text in texts for word in fold_words(text))
        lexicon = Lexicon.from_pack(pack)
        return cls(functions, frozenset(pack.spec.categories), lexicon, pack.spec.languages, words)
