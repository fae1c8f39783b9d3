import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerReader, RunDirectory, running_pid
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.run_directory import diff_identities
from routenator.engine.ledger.schema import connect_writer, write_meta

IDENTITY = {"recipe": {"rows": 500, "seed": 7}, "endpoints": {"a": {"model": "m", "max_in_flight": 8}}, "pack": "abc"}

HOLD = """
import sys, time
from pathlib import Path
from routenator.engine.ledger import RunDirectory
run = RunDirectory.create_or_open(Path(sys.argv[1]), identity={"a": 1}, planned_rows=5)
print("held", flush=True)
time.sleep(60)
"""


def begin(path):
    """As a run that has its plan."""
    with closing(connect_writer(path)) as connection:
        write_meta(connection, {"plan": {"seed": 7}})


def go_on(path):
    RunDirectory.create_or_open(path, identity={"a": 1}, planned_rows=5).close()


def test_a_run_is_created_once_and_then_continued(tmp_path):
    path = tmp_path / "deep" / "run"
    with RunDirectory.create_or_open(path, identity=IDENTITY, planned_rows=500) as run:
        assert run.created
    with RunDirectory.create_or_open(path, identity=IDENTITY, planned_rows=500) as run:
        assert not run.created
    with LedgerReader(path) as reader:
        meta = reader.meta()
    assert meta["identity"] == IDENTITY
    assert meta["planned_rows"] == 500
    assert {"run_id", "created_at", "package_version", "schema_version"} <= meta.keys()


def test_tuples_in_the_identity_are_no_change(tmp_path):
    for _ in range(2):
        RunDirectory.create_or_open(tmp_path, identity={"urls": ("a", "b")}, planned_rows=1).close()


def test_a_run_that_was_killed_before_it_had_its_plan_holds_on_to_no_settings(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=500, ledgers=3).close()
    with RunDirectory.create_or_open(tmp_path, identity={"a": 2}, planned_rows=500, ledgers=2) as run:
        assert run.created and run.layout.ledgers == 2
    begin(tmp_path)
    with pytest.raises(RunError, match="a: 2 → 1"):
        RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=500)


def test_a_changed_identity_is_refused_with_a_diff(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity=IDENTITY, planned_rows=500).close()
    begin(tmp_path)
    changed = {"recipe": {"rows": 600, "seed": 7, "new": True}, "endpoints": IDENTITY["endpoints"]}
    with pytest.raises(RunError) as caught:
        RunDirectory.create_or_open(tmp_path, identity=changed, planned_rows=600)
    assert "recipe.rows: 500 → 600" in caught.value.what
    assert "recipe.new: (not set) → true" in caught.value.what
    assert 'pack: "abc" → (not set)' in caught.value.what
    assert "seed" not in caught.value.what
    assert caught.value.hint is not None
    RunDirectory.create_or_open(tmp_path, identity=IDENTITY, planned_rows=500).close()


def test_keys_that_may_change_are_taken_over(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity=IDENTITY, planned_rows=500).close()
    changed = IDENTITY | {"endpoints": {"a": {"model": "m", "max_in_flight": 64}}}
    allowed = ("endpoints.*.max_in_flight",)
    RunDirectory.create_or_open(tmp_path, identity=changed, planned_rows=500, may_change=allowed).close()
    with LedgerReader(tmp_path) as reader:
        assert reader.meta()["identity"] == changed


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xy"), st.integers(0, 3)), max_size=3))
def test_nothing_differs_from_itself(identity):
    assert diff_identities(identity, identity, ()) == []


def test_values_in_the_diff_cannot_drive_the_terminal():
    assert "\x1b" not in "".join(diff_identities({"a": "x"}, {"a": "\x1b[2K\u202e", "\x1b[0m": 1}, ()))


def test_a_second_process_is_refused_naming_the_first_and_a_killed_one_does_not_block(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        assert running_pid(tmp_path) == holder.pid
        with pytest.raises(RunError, match=f"process {holder.pid}"):
            RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    assert running_pid(tmp_path) is None
    with RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5):
        assert running_pid(tmp_path) == os.getpid()
        with pytest.raises(RunError, match="in use"):
            RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5)


WITH_A_WORKER = """
import subprocess, sys
from pathlib import Path
from routenator.engine.ledger import RunDirectory
run = RunDirectory.create_or_open(Path(sys.argv[1]), identity={"a": 1}, planned_rows=5)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[run.lock_descriptor])
print(worker.pid, flush=True)
worker.wait()
"""


@pytest.mark.fault(26)
def test_no_second_run_begins_while_a_worker_of_a_killed_one_lives(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", WITH_A_WORKER, str(tmp_path)], stdout=subprocess.PIPE)
    worker = int(holder.stdout.readline())
    try:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
        with pytest.raises(RunError, match=f"process {holder.pid} has ended, but its workers are still ending"):
            RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5)
        threading.Timer(1.0, os.kill, (worker, signal.SIGKILL)).start()
        with RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5):  # waits for it
            assert running_pid(tmp_path) == os.getpid()
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_a_run_keeps_the_ledgers_that_it_was_made_with(tmp_path):
    with RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=500, ledgers=3) as run:
        assert run.layout == Layout.for_run(500, 3)
    with RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=500, ledgers=8) as run:
        assert run.layout.ledgers == 3
    assert sorted(file.name for file in tmp_path.glob("*.db")) == ["run-1.db", "run-2.db", "run.db"]


def test_a_ledger_of_another_run_is_refused(tmp_path):
    for name in ("one", "two"):
        RunDirectory.create_or_open(tmp_path / name, identity={"a": 1}, planned_rows=500, ledgers=2).close()
    shutil.copy(tmp_path / "two" / "run-1.db", tmp_path / "one" / "run-1.db")
    for opener in (go_on, LedgerReader):
        with pytest.raises(RunError, match=r"run-1\.db belongs to another run"):
            opener(tmp_path / "one")
    (tmp_path / "one" / "run-1.db").unlink()
    for opener in (go_on, LedgerReader):
        with pytest.raises(RunError, match=r"run-1\.db is missing"):
            opener(tmp_path / "one")


def test_a_start_that_was_killed_between_its_ledgers_is_begun_anew(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=500, ledgers=3).close()
    for name in ("run.db", "run-2.db"):
        (tmp_path / name).unlink()
    with RunDirectory.create_or_open(tmp_path, identity={"a": 2}, planned_rows=500, ledgers=2) as run:
        assert run.created
    with LedgerReader(tmp_path) as reader:
        assert reader.counts().pending == 500


def test_a_refused_open_gives_the_lock_back(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5).close()
    begin(tmp_path)
    with pytest.raises(RunError):
        RunDirectory.create_or_open(tmp_path, identity={"a": 2}, planned_rows=5)
    assert running_pid(tmp_path) is None


def test_no_run_is_said_plainly_and_nothing_is_made(tmp_path):
    with pytest.raises(RunError, match="no run at"):
        LedgerReader(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    assert running_pid(tmp_path / "nothing") is None


def test_an_empty_database_of_a_killed_start_is_filled_in(tmp_path):
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(RunError, match="empty"):
        LedgerReader(tmp_path)
    with RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5) as run:
        assert run.created


def test_another_schema_version_is_refused(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={"a": 1}, planned_rows=5).close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    for opener in (go_on, LedgerReader):
        with pytest.raises(RunError, match="schema 99"):
            opener(tmp_path)


def test_a_file_that_is_no_database_is_a_run_error(tmp_path):
    (tmp_path / "run.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    for opener in (go_on, LedgerReader):
        with pytest.raises(RunError, match="damaged"):
            opener(tmp_path)


def test_a_path_that_is_a_file_is_a_run_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        RunDirectory.create_or_open(tmp_path / "file" / "run", identity={}, planned_rows=1)
