"""An evaluation as one HTML file: no script, no network, every value escaped."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from routenator.engine.display import show, show_line
from routenator.engine.evaluation.comparison import Comparison
from routenator.engine.evaluation.confusion import INSTALL
from routenator.engine.evaluation.result import ERROR_KINDS, EvaluationResult, Facts
from routenator.engine.evaluation.wording import ERROR_WORDS, METRIC_WORDS, SLICE_METRICS, figure, signed

_TEMPLATE = "report.html.j2"
_MOST_GROUPS = 12
_MOST_EXAMPLES = 3
_MOST_MIX_UPS = 15
_LONGEST_ANSWER = 400


@dataclass(frozen=True)
class Page:
    """What the page shows."""

    title: str
    facts: Facts
    result: EvaluationResult
    errors: Sequence[Mapping[str, Any]]
    comparison: Comparison | None
    picture: bytes | None


@dataclass(frozen=True)
class ErrorGroup:
    """Errors of one kind and detail."""

    kind: str
    detail: str
    rows: int
    examples: Sequence[Mapping[str, Any]]


def render_page(page: Page) -> str:
    """The whole page. The same result gives the same text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "line": lambda value: show_line(str(value)),
        "figure": figure,
        "signed": signed,
        "width": lambda value: 0 if math.isnan(value) else round(100 * min(1.0, max(0.0, value)), 2),
        "defined": lambda value: not math.isnan(value),
        "thousands": lambda value: f"{value:,}",
        "call": _write_call,
        "answer": lambda text: show_line(str(text), _LONGEST_ANSWER),
    }
    environment.filters.update(filters)
    return environment.get_template(_TEMPLATE).render(
        page=page,
        facts=page.facts,
        result=page.result,
        metric_words=METRIC_WORDS,
        slice_metrics=SLICE_METRICS,
        error_words=ERROR_WORDS,
        error_kinds=[kind for kind in ERROR_KINDS if kind in page.result.errors],
        groups=group_errors(page.errors)[:_MOST_GROUPS],
        mix_ups=_mix_ups(page.result.confusion)[:_MOST_MIX_UPS],
        picture=base64.b64encode(page.picture).decode() if page.picture else None,
        install=INSTALL,
    )


def group_errors(errors: Sequence[Mapping[str, Any]]) -> list[ErrorGroup]:
    """Errors of the same kind and detail together, the most frequent first, each with a few examples."""
    counts = Counter((error["kind"], error["detail"]) for error in errors)
    examples: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for error in errors:
        kept = examples.setdefault((error["kind"], error["detail"]), [])
        if len(kept) < _MOST_EXAMPLES:
            kept.append(error)
    return [ErrorGroup(*key, rows, examples[key]) for key, rows in counts.most_common()]


def _mix_ups(confusion: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int, float]]:
    """Golden class, predicted class, rows, share of the golden class; the most rows first."""
    found = [
        (golden, predicted, count, count / sum(counts.values()))
        for golden, counts in confusion.items()
        for predicted, count in counts.items()
        if golden != predicted
    ]
    return sorted(found, key=lambda entry: (-entry[2], entry[:2]))


def _write_call(call: Mapping[str, Any] | None) -> str:
    """``name(argument="value")``."""
    if call is None:
        return "no call"
    arguments = (f"{name}={_write_value(value)}" for name, value in call["arguments"].items())
    return show_line(f"{call['name']}({', '.join(arguments)})", _LONGEST_ANSWER)


def _write_value(value: Any) -> str:
    return show(json.dumps(show(value) if isinstance(value, str) else value, ensure_ascii=False))
