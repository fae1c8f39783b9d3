"""JSON Schema, draft 2020-12: whether a schema is one, and what of a value does not fit it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError


def check_schema(schema: dict[str, Any]) -> None:
    """Refuse what is no JSON Schema.

    Raises:
        ValidationError: Against the standard, or with a ``$ref`` that leads out of it: nothing is fetched to follow
            one. Its ``instance_path`` says where.
    """
    Draft202012Validator(schema, offline=True)


def find_errors(schema: dict[str, Any], value: Any) -> Iterator[ValidationError]:
    """What of ``value`` does not fit ``schema``.

    Raises:
        ValidationError: As by `check_schema`.
    """
    return _validator(orjson.dumps(schema)).iter_errors(value)


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(schema), offline=True)
