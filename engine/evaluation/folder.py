"""The folder of results: figures, errors, a picture and a page, made anew from the answers each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.evaluation.comparison import RESULTS, Comparison
from routenator.engine.evaluation.confusion import can_draw, draw_confusion
from routenator.engine.evaluation.html import Page, render_page
from routenator.engine.evaluation.intervals import CONFIDENCE, RESAMPLES
from routenator.engine.evaluation.result import EvaluationResult, Facts

ERRORS = "errors.jsonl"
PICTURE = "confusion.png"
PAGE = "report.html"


def to_record(facts: Facts, result: EvaluationResult, comparison: Comparison | None) -> dict[str, Any]:
    """What stands in ``results.json``; a figure that is not defined is null."""
    return {
        **asdict(facts),
        "intervals": {"confidence": CONFIDENCE, "resamples": RESAMPLES, "method": "percentile bootstrap"},
        **result.to_json(),
        "comparison": None if comparison is None else asdict(comparison),
    }


def write_results(
    out: Path,
    facts: Facts,
    result: EvaluationResult,
    errors: Sequence[Mapping[str, Any]],
    comparison: Comparison | None,
) -> tuple[Path, ...]:
    """Write everything but the answers, which are there already.

    Returns:
        The files; without a picture where matplotlib is not installed.
    """
    picture = draw_confusion(result.confusion) if can_draw() else None
    page = render_page(Page(facts.model, facts, result, errors, comparison, picture))
    contents = {
        RESULTS: orjson.dumps(to_record(facts, result, comparison), option=orjson.OPT_INDENT_2),
        ERRORS: b"".join(_to_line(error) for error in errors),
        PAGE: page.encode("utf-8", "replace"),
        **({PICTURE: picture} if picture else {}),
    }
    for name, content in contents.items():
        with atomic_file(out / name) as file:
            file.write(content)
    return tuple(out / name for name in contents)


def _to_line(error: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(error) + b"\n"
    except TypeError:  # half a surrogate pair, which has no UTF-8 form: written as its escape
        return json.dumps(error).encode() + b"\n"
