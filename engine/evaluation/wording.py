"""Figures, metrics and errors in words; used by the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping

METRIC_WORDS: Mapping[str, tuple[str, str]] = {
    "f1": ("Function F1", "macro over the golden set's functions and no call"),
    "f1_weighted": ("F1, weighted", "each class counts by its rows"),
    "cta": ("Content type (CTA)", "content type accuracy: category arguments that are right"),
    "ss": ("Similarity (SS)", "subprompt similarity: cosine of the free-text arguments"),
    "ss_golden": (
        "SS, golden arguments",
        "of the golden call alone; a missing one is an empty text",
    ),
    "exact_match": ("Exact match", "one call, function and all arguments right"),
    "ast_match": ("AST match", "by syntax tree, with the schema's types"),
    "slot_f1": ("Slot F1", "argument-value pairs"),
    "json_validity": ("JSON validity", "of the calls that were begun"),
}
"""Metric → its name, and what it counts."""
SLICE_METRICS = ("f1", "cta", "ss", "exact_match", "slot_f1")
ERROR_WORDS: Mapping[str, str] = {
    "no_answer": "no answer came",
    "unreadable": "the call cannot be read",
    "missed_call": "no call where one was wanted",
    "needless_call": "a call where none was wanted",
    "wrong_function": "another function",
    "several_calls": "more calls than one",
    "wrong_arguments": "wrong argument values",
    "missing_argument": "arguments are missing",
    "needless_argument": "arguments that nobody asked for",
}
NOTHING = "–"


def figure(value: float) -> str:
    """``0.8812``: ``0.881``; what is not defined is a dash."""
    return NOTHING if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign."""
    return NOTHING if math.isnan(value) else f"{value:+.3f}"


def time_left(seconds: float) -> str:
    """``40 s left``, ``3 min left``."""
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"
