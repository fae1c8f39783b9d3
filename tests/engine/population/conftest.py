import json
import random

import pytest
from fakes.population import declare, draw_row


@pytest.fixture(scope="session")
def declared():
    return declare()


@pytest.fixture
def write_rows(tmp_path):
    def write(rows, name="queries.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


@pytest.fixture
def draw():
    def rows(count, seed):
        generator = random.Random(seed)
        return [draw_row(generator) for _ in range(count)]

    return rows
