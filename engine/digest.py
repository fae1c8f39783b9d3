"""Digests by which what something was made from is known again."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def digest_json(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
