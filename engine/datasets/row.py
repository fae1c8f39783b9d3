"""One row of the dataset: a query, the call that answers it, and why the label is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routenator.engine.sample import ANY, ContentRef, Grounding, Hop, NodeRef, SampleKey


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One accepted sample, without what would differ between two equal runs (times, tokens).

    Attributes:
        key: Names the sample; ``key.trace_id`` is the row's id and finds its trace.
        query: What the user types.
        function: The function that answers it.
        arguments: Argument name → value.
        category: Value of the category argument.
        language: BCP 47 tag, such as ``en``.
        route: Modality that wrote the query: ``heuristic``, ``text`` or ``vision``.
        template: Prompt template or grammar that wrote it.
        length: Length band in words that the targets asked for, such as ``4-6``; `ANY` if they are silent.
        phrasing: Phrasing that the targets asked for.
        keyword_position: Keyword position that the targets asked for.
        casing: Casing that the targets asked for.
        noise: ``typo`` where the targets asked for a misspelt word.
        punctuation: ``final`` where they asked for a mark at the end, ``none`` where for none.
        attempts: Passes generate → critique that it took.
        model: Model that wrote it; ``None`` for a grammar.
        grounding: Walk and content item that justify the label.
    """

    key: SampleKey
    query: str
    function: str
    arguments: Mapping[str, str]
    category: str
    language: str
    route: str
    template: str
    length: str = ANY
    phrasing: str = ANY
    keyword_position: str = ANY
    casing: str = ANY
    noise: str = ANY
    punctuation: str = ANY
    attempts: int = 1
    model: str | None = None
    grounding: Grounding | None = None

    @property
    def id(self) -> str:
        """The row's id, which is its trace's: ``slot.round``."""
        return self.key.trace_id

    @classmethod
    def from_ledger(cls, row: Mapping[str, Any]) -> DatasetRow:
        """A row as `routenator.engine.ledger.reader.LedgerReader.accepted_rows` yields it."""
        names = (
            *("query", "function", "category", "language", "route", "template"),
            *("length", "phrasing", "keyword_position", "casing", "noise", "punctuation"),
        )
        return cls(
            key=SampleKey(row["slot"], row["round"]),
            arguments=row["arguments"],
            attempts=row["attempts"],
            model=row["model"],
            grounding=_read_grounding(row["grounding"]),
            **{name: row[name] for name in names},
        )


def _read_grounding(grounding: Mapping[str, Any] | None) -> Grounding | None:
    if not grounding:
        return None
    content = grounding.get("content")
    return Grounding(
        nodes=tuple(NodeRef(**node) for node in grounding["nodes"]),
        hops=tuple(Hop(**hop) for hop in grounding["hops"]),
        content=ContentRef(**{**content, "keywords": tuple(content["keywords"])}) if content else None,
    )
