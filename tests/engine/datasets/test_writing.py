import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from routenator.engine.datasets.writing import SCHEMA, write_dataset
from routenator.engine.errors import RunError


def test_both_files_hold_the_same_rows(rows, tmp_path):
    written = write_dataset(rows, tmp_path)
    lines = [json.loads(line) for line in written.jsonl.read_text("utf-8").splitlines()]
    assert written.rows == len(lines) == len(rows)
    assert pq.read_table(written.parquet).to_pylist() == lines


def test_a_row_keeps_its_walk_its_content_and_its_trace(rows, tmp_path):
    line = json.loads(write_dataset(rows, tmp_path).jsonl.read_text("utf-8").splitlines()[3])
    row = rows[3]
    assert line["id"] == "3.0"
    assert json.loads(line["arguments"]) == row.arguments
    assert [node["label"] for node in line["grounding"]["nodes"]] == [node.label for node in row.grounding.nodes]
    assert [hop["target"] for hop in line["grounding"]["hops"]] == [node.id for node in row.grounding.nodes[1:]]
    assert line["grounding"]["content"]["keywords"] == ", ".join(row.grounding.content.keywords)


def test_control_characters_survive_and_lone_surrogates_are_replaced(rows, tmp_path):
    last = write_dataset(rows, tmp_path).jsonl.read_text("utf-8").splitlines()[-1]
    before, after = rows[-1].query.split("\ud800")
    assert json.loads(last)["query"].replace("\ufffd", "") == before + after
    assert "\ufffd" in last


def test_same_rows_give_same_bytes(rows, tmp_path):
    one, other = write_dataset(rows, tmp_path / "a"), write_dataset(iter(rows), tmp_path / "b")
    assert one.jsonl.read_bytes() == other.jsonl.read_bytes()
    assert one.parquet.read_bytes() == other.parquet.read_bytes()


def test_no_rows_give_an_empty_dataset_with_its_columns(tmp_path):
    written = write_dataset([], tmp_path)
    assert written.jsonl.read_bytes() == b""
    assert pq.read_schema(written.parquet).equals(SCHEMA)


def test_an_error_while_writing_leaves_the_old_files(rows, tmp_path):
    before = write_dataset(rows[:5], tmp_path).jsonl.read_bytes()

    def broken():
        yield from rows
        raise RunError("the ledger is gone")

    with pytest.raises(RunError, match="the ledger is gone"):
        write_dataset(broken(), tmp_path)
    assert (tmp_path / "dataset.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.jsonl", "dataset.parquet"]


KILLED = """
import os, signal, sys
from pathlib import Path
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.writing import write_dataset
from routenator.engine.sample import SampleKey

def rows():
    for slot in range(12_000):
        if slot == 10_500:
            os.kill(os.getpid(), signal.SIGKILL)
        yield DatasetRow(SampleKey(slot), f"query {slot}", "search", {}, "image", "en", "text", "text/plain")

write_dataset(rows(), Path(sys.argv[1]))
"""


@pytest.mark.fault(28)
def test_a_kill_leaves_temporary_files_only_and_the_next_export_is_whole(rows, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".dataset.jsonl.tmp", ".dataset.parquet.tmp"]
    assert (tmp_path / ".dataset.jsonl.tmp").stat().st_size > 0
    write_dataset(rows, tmp_path)
    fresh = write_dataset(rows, tmp_path / "fresh")
    assert (tmp_path / "dataset.parquet").read_bytes() == fresh.parquet.read_bytes()
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_folder_that_cannot_be_written_is_named(rows, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RunError, match="cannot be written") as caught:
        write_dataset(rows, blocked)
    assert caught.value.hint == "Choose another path."


def test_datasets_loads_both_files_with_the_same_types(rows, make_row, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # The first 10 MB, from which the JSON loader guesses the types, hold neither content nor model.
    walk = replace(rows[0].grounding, content=None)
    bare = [make_row(slot, query="q" * 5_000, model=None, grounding=walk) for slot in range(100, 2_600)]
    written = write_dataset([*bare, *rows], tmp_path)
    for kind, file in (("parquet", written.parquet), ("json", written.jsonl)):
        loaded = datasets.load_dataset(kind, data_files=str(file), split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == 2_541
        assert loaded[2_503]["grounding"]["content"]["title"] == rows[3].grounding.content.title
        assert loaded[2_503]["grounding"]["nodes"][0]["label"] == rows[3].grounding.nodes[0].label
