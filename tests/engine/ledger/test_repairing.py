import asyncio
import random
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest
import typer
from factories import make_record

from routenator.engine.cli import repair as command
from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.ledger.repairing import repair_run
from routenator.engine.sample import SampleKey

LEDGERS = 2
SAMPLES = 700
PLANNED = 900
VERDICTS = ("accepted", "accepted", "rejected", "failed")


def write_slots(path, slots):
    async def write():
        failures = []
        writers = [LedgerWriter(path, failures.append, ledger) for ledger in range(LEDGERS)]
        with LedgerReader(path) as reader:
            layout = reader.layout
        for slot in slots:
            await writers[layout.ledger_of(slot)].put(make_record(slot, verdict=VERDICTS[slot % 4]))
        for writer in writers:
            await writer.close()
        assert failures == []

    asyncio.run(write())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two ledgers whose logs still hold a part of it, as a killed run leaves them."""
    path = tmp_path_factory.mktemp("repairing") / "run"
    RunDirectory.create_or_open(path, identity={}, planned_rows=PLANNED, ledgers=LEDGERS).close()
    write_slots(path, range(500))
    killed = path.with_name("killed")
    with LedgerReader(path) as reader:  # an open reader keeps the logs from being removed at the end
        reader.counts()
        write_slots(path, range(500, SAMPLES))
        shutil.copytree(path, killed)
    for shared_memory in killed.glob("*-shm"):
        shared_memory.unlink()
    return killed


@pytest.fixture(scope="module")
def truth(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "run"
    shutil.copytree(whole, path)
    with LedgerReader(path) as reader:
        return {row["trace_id"]: row for row in reader.samples(limit=SAMPLES + 1)}


def read_all(path, truth):
    """Everything a run delivers; fails when any of it is not what was written."""
    with LedgerReader(path) as reader:
        rows = reader.samples(limit=SAMPLES + 1)
        for row in rows:
            assert row == truth[row["trace_id"]], "a wrong row was delivered"
        for row in reader.accepted_rows():
            assert row == truth[row["trace_id"]], "a wrong row was delivered"
        return {row["trace_id"] for row in rows}


def check_whole(path, truth):
    found = read_all(path, truth)
    with LedgerReader(path) as reader:
        layout = reader.layout
        for name in found:
            slot, round = map(int, name.split("."))
            assert reader.trace(SampleKey(slot, round))["trace_id"] == name
    for ledger in range(layout.ledgers):
        with closing(sqlite3.connect(path / (f"run-{ledger}.db" if ledger else "run.db"))) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            orphans = "SELECT slot, round FROM {} EXCEPT SELECT slot, round FROM {}"
            assert connection.execute(orphans.format("trace", "sample")).fetchall() == []
            assert connection.execute(orphans.format("sample", "trace")).fetchall() == []
    return found


def damage_and_repair(whole, truth, path, damage):
    shutil.copytree(whole, path)
    damage(path)
    with suppress(RunError):
        read_all(path, truth)
    try:
        repairs = repair_run(path)
    except RunError as exc:
        assert "cannot be repaired" in exc.what or "schema" in exc.what or "empty" in exc.what
        return None
    kept = check_whole(path, truth)
    assert len(kept) == sum(repair.kept for repair in repairs)
    for repair in repairs:
        assert (repair.fault is None) == (repair.damaged_copy is None)
    assert [repair.fault for repair in repair_run(path)] == [None] * LEDGERS, "a repaired run is whole"
    return kept, repairs


def flip_bytes(rng, file, flips):
    with file.open("r+b") as stream:
        for _ in range(flips):
            place = rng.randrange(file.stat().st_size)
            stream.seek(place)
            (byte,) = stream.read(1)
            stream.seek(place)
            stream.write(bytes([byte ^ rng.randrange(1, 256)]))


@pytest.mark.fault(33)
def test_a_whole_run_is_left_alone(whole, truth, tmp_path):
    kept, repairs = damage_and_repair(whole, truth, tmp_path / "run", lambda path: None)
    assert kept == truth.keys()
    assert [repair.fault for repair in repairs] == [None, None]
    assert not list((tmp_path / "run").glob("*damaged*"))


@pytest.mark.fault(33)
@pytest.mark.parametrize("number", range(40))
def test_flipped_bytes_are_found_and_the_rest_is_kept(whole, truth, tmp_path, number):
    rng = random.Random(number)
    name = rng.choice(["run.db", "run-1.db"])
    flips = rng.choice([1, 1, 3, 40])
    result = damage_and_repair(whole, truth, tmp_path / "run", lambda path: flip_bytes(rng, path / name, flips))
    if result is not None and flips == 1:
        kept, repairs = result
        if repairs[0].fault is None and repairs[1].fault is None:
            assert kept == truth.keys(), "a flip that nobody saw has changed nothing"


@pytest.mark.fault(33)
@pytest.mark.parametrize("number", range(15))
def test_a_cut_log_leaves_an_earlier_state_or_is_found(whole, truth, tmp_path, number):
    rng = random.Random(number)

    def cut(path):
        log = path / rng.choice(["run.db-wal", "run-1.db-wal"])
        with log.open("r+b") as stream:
            stream.truncate(rng.randrange(log.stat().st_size))

    result = damage_and_repair(whole, truth, tmp_path / "run", cut)
    assert result is not None
    assert len(result[0]) >= SAMPLES // 2


@pytest.mark.fault(33)
def test_lost_slots_are_open_again_and_can_be_filled(whole, truth, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    (path / "run-1.db").write_bytes(b"not a database any more" * 1000)
    with pytest.raises(RunError, match=r"run-1\.db is damaged") as caught:
        LedgerReader(path)
    assert caught.value.hint.startswith(f"`routenator repair {path}`")
    repairs = repair_run(path)
    assert repairs[0].fault is None
    assert repairs[1].fault is not None
    assert repairs[1].lost is None, "the file does not tell"
    assert (path / "run-1.db.damaged-1").read_bytes().startswith(b"not a database")
    with LedgerReader(path) as reader:
        open_again = [key.slot for key in reader.open_slots(0) if key.slot < SAMPLES]
    assert open_again
    assert all(f"{slot}.0" not in check_whole(path, truth) for slot in open_again[:1])
    write_slots(path, open_again)
    with LedgerReader(path) as reader:
        assert reader.count_samples() == SAMPLES


@pytest.mark.fault(33)
def test_a_ledger_that_is_gone_is_made_anew_and_what_it_held_is_not_guessed(whole, truth, tmp_path, capsys):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    for file in path.glob("run-1.db*"):
        file.unlink()
    with pytest.raises(typer.Exit) as caught:
        command.repair(path)
    assert caught.value.exit_code == 1
    with LedgerReader(path) as reader:
        blocks = list(reader.layout.blocks(1, PLANNED))
        open_again = {key.slot for key in reader.open_slots(0)}
    assert {slot for block in blocks for slot in block} <= open_again
    said = " ".join(capsys.readouterr().err.split())
    assert "run-1.db: damaged (the file is missing); 0 samples kept, how many are lost cannot be known" in said
    named = "; ".join(f"{block[0]:,} to {block[-1]:,}" for block in blocks[:3])
    slots = sum(map(len, blocks))
    assert f"of its {slots:,} slots, all ({named}; and {len(blocks) - 3} blocks more) run again" in said
    assert check_whole(path, truth)


@pytest.mark.fault(33)
def test_a_run_that_does_not_say_what_it_is_cannot_be_repaired(whole, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    (path / "run.db").write_bytes(b"not a database any more" * 1000)
    with pytest.raises(RunError, match="cannot be repaired"):
        repair_run(path)


def test_a_run_in_use_is_not_repaired(whole, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    with (
        RunDirectory.create_or_open(path, identity={}, planned_rows=PLANNED),
        pytest.raises(RunError, match="in use"),
    ):
        repair_run(path)


@pytest.mark.parametrize("change", ["UPDATE standing SET slots = slots + 1", "UPDATE total SET samples = samples + 1"])
def test_totals_that_are_wrong_are_counted_anew(whole, truth, tmp_path, change):
    path = tmp_path / "run"
    shutil.copytree(whole, path)
    with LedgerReader(path) as reader:
        counts, groups = reader.counts(), reader.tally("verdict", "route")
    with closing(sqlite3.connect(path / "run-1.db")) as connection, connection:
        connection.execute(change)
    repairs = repair_run(path)
    assert [repair.fault is None for repair in repairs] == [True, False]
    assert repairs[1].lost == 0
    with LedgerReader(path) as reader:
        assert (reader.counts(), reader.tally("verdict", "route")) == (counts, groups)
    assert repair_run(path)[1].fault is None
