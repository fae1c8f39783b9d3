"""Strict JSON in UTF-8 for files that other tools read."""

from __future__ import annotations

from typing import Any

import orjson


def clean_text(text: str) -> str:
    """``text`` with lone surrogates replaced by U+FFFD: neither JSON in UTF-8 nor Parquet can hold them."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not text.isascii() else text


def clean(value: Any) -> Any:
    """`clean_text` on every string of a JSON value; keys become strings."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def dump_json(value: Any) -> bytes:
    """``value`` on one line; NaN and infinities become null, keys keep their order."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(clean(value))
