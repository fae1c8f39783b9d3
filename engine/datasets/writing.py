"""``dataset.parquet`` and ``dataset.jsonl``: the same columns in both, the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.strict_json import clean, dump_json
from routenator.engine.sample import ContentRef

PARQUET_NAME = "dataset.parquet"
JSONL_NAME = "dataset.jsonl"
_ROW_GROUP_ROWS = 10_000


def _strings(*names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.string()) for name in names]


# Nothing is null and no list is empty but for want of a walk: a reader that guesses types from the first part of the
# file (the JSON loader of `datasets` does) would meet another type further down.
SCHEMA = pa.schema(
    [
        *_strings("id", "query", "function", "arguments", "category", "language"),
        *_strings("route", "template", "length", "phrasing", "keyword_position", "casing", "noise", "punctuation"),
        *_strings("model"),
        ("attempts", pa.int32()),
        (
            "grounding",
            pa.struct(
                [
                    ("nodes", pa.list_(pa.struct(_strings("id", "type", "label", "argument")))),
                    ("hops", pa.list_(pa.struct([*_strings("source", "type", "target"), ("weight", pa.float64())]))),
                    ("content", pa.struct(_strings("id", "title", "keywords", "type", "image"))),
                ]
            ),
        ),
    ]
)
"""Columns of the dataset; docs/datasets.md says what each holds."""


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """What `write_dataset` wrote."""

    parquet: Path
    jsonl: Path
    rows: int


def write_dataset(rows: Iterable[DatasetRow], directory: Path) -> WrittenDataset:
    """Write both files; memory holds one row group of 10,000 rows.

    Each file is replaced whole or not at all. The same rows in the same order give the same bytes.

    Raises:
        RunError: A file cannot be written.
    """
    parquet, jsonl = directory / PARQUET_NAME, directory / JSONL_NAME
    count = 0
    with ExitStack() as stack:
        jsonl_file = stack.enter_context(atomic_file(jsonl))
        parquet_file = stack.enter_context(atomic_file(parquet))
        writer = stack.enter_context(pq.ParquetWriter(parquet_file, SCHEMA, compression="zstd"))
        for group in _row_groups(rows):
            jsonl_file.writelines(dump_json(record) + b"\n" for record in group)
            writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
            count += len(group)
    return WrittenDataset(parquet, jsonl, count)


def to_record(row: DatasetRow) -> dict[str, Any]:
    """``row`` as the columns of `SCHEMA`."""
    return {
        "id": row.id,
        "query": row.query,
        "function": row.function,
        "arguments": dump_json(dict(row.arguments)).decode(),
        "category": row.category,
        "language": row.language,
        "route": row.route,
        "template": row.template,
        "length": row.length,
        "phrasing": row.phrasing,
        "keyword_position": row.keyword_position,
        "casing": row.casing,
        "noise": row.noise,
        "punctuation": row.punctuation,
        "model": row.model or "",
        "attempts": row.attempts,
        "grounding": _grounding_record(row),
    }


def _grounding_record(row: DatasetRow) -> dict[str, Any]:
    grounding = row.grounding
    content = grounding.content if grounding else None
    return {
        "nodes": [asdict(node) for node in grounding.nodes] if grounding else [],
        "hops": [
            {"source": hop.source, "type": hop.type, "target": hop.target, "weight": float(hop.weight)}
            for hop in (grounding.hops if grounding else ())
        ],
        "content": _content_record(content or ContentRef(id="", title="", keywords=(), type="")),
    }


def _content_record(content: ContentRef) -> dict[str, str]:
    return {
        "id": content.id,
        "title": content.title,
        "keywords": ", ".join(content.keywords),
        "type": content.type,
        "image": content.image or "",
    }


def _row_groups(rows: Iterable[DatasetRow]) -> Iterator[list[dict[str, Any]]]:
    records = (clean(to_record(row)) for row in rows)
    while group := list(islice(records, _ROW_GROUP_ROWS)):
        yield group
