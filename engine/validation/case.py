"""What a rule sees: one candidate beside everything that it must agree with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from routenator.engine.domain.pack import ArgumentRoles, DomainPack, GraphNode
from routenator.engine.sample import ANY, Candidate, Grounding, Stratum
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords
from routenator.engine.validation.spans import Spans, find_spans
from routenator.engine.validation.words import all_forms, content_words, fold_words, forms_in


@dataclass(frozen=True)
class Case:
    """One candidate, the stratum that it was made for, and the grounding that must justify it.

    Attributes:
        examples: Queries that the prompt showed as examples.
        outside: What may stand around the values of spoken arguments; ``None``: anything.
    """

    candidate: Candidate
    stratum: Stratum
    grounding: Grounding
    pack: DomainPack
    lexicon: Lexicon
    examples: frozenset[str] = frozenset()
    outside: OutsideWords | None = None

    @property
    def query(self) -> str:
        """The candidate's query."""
        return self.candidate.query

    @cached_property
    def language(self) -> str:
        """The stratum's language; the pack's first where the targets are silent."""
        return self.pack.spec.languages[0] if self.stratum.language == ANY else self.stratum.language

    @cached_property
    def free_text(self) -> str:
        """The free-text argument, or ``""``."""
        return self.candidate.arguments.get(self.roles.free_text or "", "")

    @property
    def roles(self) -> ArgumentRoles:
        """The arguments of the stratum's function."""
        return self.pack.spec.roles[self.stratum.function]

    @cached_property
    def spoken(self) -> Spans:
        """Where the values of spoken arguments stand in the query."""
        spoken = self.roles.spoken
        return find_spans(self.query, {name: v for name, v in self.candidate.arguments.items() if name in spoken})

    @cached_property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """What was written, each with its name for messages: the query, then the argument that was cut out of it."""
        name = self.roles.free_text
        others = ((name, self.free_text),) if name is not None and name in self.candidate.arguments else ()
        return (("query", self.query), *others)

    @cached_property
    def walk_nodes(self) -> tuple[GraphNode, ...]:
        """The walk's nodes as the pack has them."""
        nodes = self.pack.nodes_by_id
        return tuple(nodes[node.id] for node in self.grounding.nodes if node.id in nodes)

    @cached_property
    def subject_texts(self) -> tuple[str, ...]:
        """Labels and aliases of the walk but for its action, and the content's title: what the query is about."""
        labels = [node.label for node in self.grounding.nodes if node.type != self.action_type]
        aliases = [alias for node in self.walk_nodes if node.type != self.action_type for alias in node.aliases]
        titles = [self.grounding.content.title] if self.grounding.content else []
        return (*labels, *aliases, *titles)

    @cached_property
    def subject_forms(self) -> frozenset[str]:
        """Every form of every word of `subject_texts`."""
        return forms_in(self.subject_texts)

    @cached_property
    def grounding_forms(self) -> frozenset[str]:
        """Every form of every content word of `subject_texts` and the content's keywords."""
        keywords = self.grounding.content.keywords if self.grounding.content else ()
        return all_forms(word for text in (*self.subject_texts, *keywords) for word in content_words(text))

    def says(self, words: str) -> bool:
        """Whether a text of the grounding holds ``words`` (folded) one after the other: "bora bora"."""
        return any(f" {words} " in f" {' '.join(fold_words(text))} " for text in self.subject_texts)

    @property
    def action_type(self) -> str:
        """Type of the nodes that end a walk; ``""`` where a walk visits arguments."""
        return next(reversed(self.pack.spec.walk), "")

    def keywords_of(self, category: str) -> tuple[str, ...]:
        """Keywords of ``category`` in this case's language; the first is its plain name."""
        found = self.pack.spec.categories.get(category)
        if found is None:
            return ()
        return found.keywords.get(self.language) or next(iter(found.keywords.values()), ())
