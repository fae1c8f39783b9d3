"""JSON Schema, draft 2020-12: whether a schema is one, and what of a value does not fit it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator, ValidationError


class SchemaError(ValueError):
    """What is no JSON Schema: against the standard, or with a ``$ref`` that leads out of it.

    Attributes:
        message: What is wrong.
        path: Where: keys and places from the schema's root.
    """

    def __init__(self, message: str, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)


def check_schema(schema: dict[str, Any]) -> None:
    """Refuse what is no JSON Schema; nothing is fetched to follow a ``$ref``.

    Raises:
        SchemaError: It is none.
    """
    _validator(_write(schema))


def find_errors(schema: dict[str, Any], value: Any) -> Iterator[ValidationError]:
    """What of ``value`` does not fit ``schema``.

    Raises:
        SchemaError: As by `check_schema`.
    """
    return _validator(_write(schema)).iter_errors(value)


def _write(schema: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(schema)
    except TypeError as exc:  # whole numbers of more than 64 bits, halves of surrogate pairs
        raise SchemaError(str(exc)) from None


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Draft202012Validator:
    try:
        return Draft202012Validator(orjson.loads(schema), offline=True)
    except ValidationError as exc:
        raise SchemaError(exc.message, exc.instance_path) from None
