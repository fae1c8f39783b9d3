"""The stratum of a row survives the ledger and the dataset's files."""

import asyncio
import json
from dataclasses import asdict, replace

import pyarrow.parquet as pq
import pytest
from factories import make_record

from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.writing import write_dataset
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.ledger.schema import STRATUM_COLUMNS
from routenator.engine.sample import AXES

SURFACES = [
    {"arguments": "city+place", "casing": "upper", "noise": "typo", "punctuation": "final"},
    {"arguments": "none", "casing": "lower", "noise": "none", "punctuation": "none"},
    {},
]


@pytest.fixture(scope="module")
def records():
    made = [make_record(slot) for slot in range(len(SURFACES))]
    return [replace(one, stratum=replace(one.stratum, **axes)) for one, axes in zip(made, SURFACES, strict=True)]


@pytest.fixture(scope="module")
def stored(records, tmp_path_factory):
    """Rows, and the columns of the strata, as the reader gives them."""
    path = tmp_path_factory.mktemp("run")
    RunDirectory.create_or_open(path, identity={}, planned_rows=len(records)).close()

    async def write():
        async with LedgerWriter(path, lambda failure: None) as writer:
            for record in records:
                await writer.put(record)

    asyncio.run(write())
    with LedgerReader(path) as reader:
        return list(reader.accepted_rows()), list(reader.accepted_columns(*STRATUM_COLUMNS))


def test_every_axis_has_a_column_and_the_wanted_arguments_are_not_the_calls(stored, records):
    rows, columns = stored
    by_axis = [dict(zip(AXES, values, strict=True)) for values in columns]
    assert by_axis == [asdict(record.stratum) for record in records]
    for row, record in zip(rows, records, strict=True):
        assert row["wanted_arguments"] == record.stratum.arguments
        assert row["arguments"] == record.candidate.arguments


def test_casing_noise_and_punctuation_are_in_both_files_of_the_dataset(stored, records, tmp_path):
    rows = [DatasetRow.from_ledger(row) for row in stored[0]]
    names = ("casing", "noise", "punctuation")
    expected = [tuple(getattr(record.stratum, name) for name in names) for record in records]
    assert [tuple(getattr(row, name) for name in names) for row in rows] == expected
    assert [row.arguments for row in rows] == [record.candidate.arguments for record in records]
    written = write_dataset(rows, tmp_path)
    lines = [json.loads(line) for line in written.jsonl.read_text("utf-8").splitlines()]
    for table in (lines, pq.read_table(written.parquet).to_pylist()):
        assert [tuple(line[name] for name in names) for line in table] == expected
