import json
from pathlib import Path

import pytest
from factories import make_record

from routenator.engine.datasets.row import DatasetRow
from routenator.engine.sample import SampleKey

HOSTILE = 'caf\u00e9 \x1b[2K\u202e<b>\ud800\x00 "quoted"\nline'


def row_of(slot, **changes):
    record = make_record(slot)
    values = {
        "key": SampleKey(slot),
        "query": record.candidate.query,
        "function": record.stratum.function,
        "arguments": record.candidate.arguments,
        "category": record.stratum.category,
        "language": record.stratum.language,
        "route": record.stratum.route,
        "template": record.template,
        "length": record.stratum.length,
        "phrasing": record.stratum.phrasing,
        "keyword_position": record.stratum.keyword_position,
        "attempts": len(record.attempts),
        "model": None if record.stratum.route == "heuristic" else "smollm2",
        "grounding": record.grounding,
    }
    return DatasetRow(**(values | changes))


@pytest.fixture(scope="session")
def make_row():
    return row_of


@pytest.fixture(scope="session")
def rows():
    return [row_of(slot) for slot in range(40)] + [row_of(40, query=HOSTILE, grounding=None)]


@pytest.fixture(scope="session")
def tools():
    return json.loads((Path(__file__).parents[2] / "packs" / "tiny" / "functions.json").read_text())
