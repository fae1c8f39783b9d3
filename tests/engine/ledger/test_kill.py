import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from routenator.engine.ledger import LedgerReader
from routenator.engine.ledger.totals import find_wrong_total
from routenator.engine.sample import SampleKey

CHILD = Path(__file__).with_name("crash_child.py")
LEDGERS = 3


def start(path, rows, acknowledged, seed):
    command = [sys.executable, str(CHILD), str(path), str(rows), str(acknowledged), str(seed), str(LEDGERS)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def read_acknowledged(file):
    # The last line may be cut by the kill: it was not told to anyone.
    return file.read_text().split("\n")[:-1] if file.exists() else []


def databases(path):
    return [path / "run.db", *sorted(path.glob("run-*.db"))]


def read_keys(path, table):
    keys = []
    for database in databases(path):
        with closing(sqlite3.connect(database)) as connection:
            keys += [f"{slot}.{round}" for slot, round in connection.execute(f"SELECT slot, round FROM {table}")]
    assert len(keys) == len(set(keys)), "a sample is in two ledgers"
    return set(keys)


def kill_and_check(path, rows, kills, seed):
    print(f"seed {seed}")
    rng = random.Random(seed)
    acknowledged = path.with_name("acknowledged")
    for number in range(kills):
        child = start(path, rows, acknowledged, rng.random())
        if number % 4:  # in the middle of the work
            child.stdout.readline()
            time.sleep(rng.uniform(0, 0.15))
        else:  # while it starts or resumes
            time.sleep(rng.uniform(0.05, 0.4))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        told = read_acknowledged(acknowledged)
        assert len(told) == len(set(told)), "a sample was done twice"
        if told:
            samples = read_keys(path, "sample")
            assert set(told) <= samples, "an acknowledged sample is lost"
            assert samples == read_keys(path, "trace"), "a row without its trace, or a trace without its row"
    child = start(path, rows, acknowledged, rng.random())
    child.communicate(timeout=120)
    assert child.returncode == 0
    told = read_acknowledged(acknowledged)
    assert len(told) == len(set(told))
    check_finished(path, rows, set(told))


def check_finished(path, rows, told):
    assert len(databases(path)) == LEDGERS
    for database in databases(path):
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert find_wrong_total(connection) is None
    samples = read_keys(path, "sample")
    assert told <= samples
    assert samples == read_keys(path, "trace")
    with LedgerReader(path) as reader:
        counts = reader.counts()
        assert (counts.planned, counts.accepted) == (rows, rows)
        assert [row["slot"] for row in reader.accepted_rows()] == list(range(rows))
        last_rounds = {row["slot"]: row["round"] for row in reader.accepted_rows()}
        # Each slot went through its rounds one by one, to the first that was accepted.
        assert samples == {f"{slot}.{round}" for slot, last in last_rounds.items() for round in range(last + 1)}
        for slot in range(0, rows, 37):
            assert reader.trace(SampleKey(slot, last_rounds[slot]))["verdict"] == "accepted"


@pytest.mark.fault(26)
def test_kill_9_at_twenty_random_points_loses_nothing_and_doubles_nothing(tmp_path):
    kill_and_check(tmp_path / "run", rows=4_000, kills=20, seed=random.randrange(2**32))


@pytest.mark.fault(26)
@pytest.mark.long
@pytest.mark.timeout(900)
def test_kill_9_at_two_hundred_random_points(tmp_path):
    kill_and_check(tmp_path / "run", rows=30_000, kills=200, seed=random.randrange(2**32))
