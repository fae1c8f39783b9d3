"""The values that a generation template may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routenator.engine.domain.pack import DomainPack
from routenator.engine.prompting.examples import Example
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, Attempt, Grounding, Stratum


def sample_variables(
    pack: DomainPack,
    stratum: Stratum,
    grounding: Grounding,
    arguments: Mapping[str, str],
    keyword: str,
    opening: str,
    previous: Attempt | None,
) -> dict[str, Any]:
    """Values for the slot itself; ``arguments`` are those that are spoken, with what the query shall say.

    ``feedback`` holds the messages of the previous attempt's findings and ``previous`` its query; both are empty on a
    first attempt.
    """
    findings = previous.critique.findings if previous is not None and previous.critique is not None else ()
    content = grounding.content
    return {
        **_shared_variables(pack, stratum),
        "labels": grounding.labels(),
        "nodes": [{"type": node.type, "label": node.label} for node in grounding.nodes],
        "arguments": _named(arguments),
        "content": None if content is None else {"title": content.title, "keywords": list(content.keywords)},
        "keyword": keyword,
        "opening": opening,
        "feedback": [finding.message for finding in findings],
        "previous": previous.candidate.query if previous is not None and previous.candidate is not None else "",
    }


def example_variables(pack: DomainPack, stratum: Stratum, example: Example, number: int) -> dict[str, Any]:
    """Values for few-shot turn ``number``; ``answer`` is what the assistant section writes.

    The first turn shows a piece of feedback that its answer heeds, so that a weak model does not copy such lines.
    """
    shown = Stratum(stratum.route, example.function, example.category, example.language)
    return {
        **_shared_variables(pack, shown),
        "labels": example.nodes,
        "nodes": [{"type": kind, "label": label} for kind, label in example.nodes.items()],
        "arguments": _named(example.arguments),
        "content": None,
        "keyword": example.keyword,
        "opening": "",
        "feedback": [] if number else [f"The query was too long; write {len(example.query.split())} words."],
        "previous": "",
        "answer": {"query": example.query},
        "phrasing": stratum.phrasing,
        "keyword_position": stratum.keyword_position,
        "min_words": len(example.query.split()),
        "max_words": len(example.query.split()),
    }


def _shared_variables(pack: DomainPack, stratum: Stratum) -> dict[str, Any]:
    category = pack.spec.categories.get(stratum.category)
    low, high = (1, 40) if stratum.length == ANY else parse_length_band(stratum.length)
    return {
        "function": stratum.function,
        "function_description": pack.functions_by_name[stratum.function].description,
        "category": stratum.category,
        "category_description": category.description if category is not None else "",
        "language": stratum.language,
        "phrasing": stratum.phrasing,
        "keyword_position": stratum.keyword_position,
        "min_words": low,
        "max_words": high,
    }


def _named(arguments: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in arguments.items()]
