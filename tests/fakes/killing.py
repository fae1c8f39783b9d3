"""Kill runs at random moments, and hold what they leave against what they had committed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fakes.endpoint import FakeEndpoint, serve_in_thread
from fakes.run_files import TEXT_ONLY, RunFiles, finish, wait_until
from fakes.writer import generations, slowly

from routenator.engine.errors import RunError
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.run_directory import running_pid
from routenator.engine.sample import SampleKey

ANSWER_S = 0.05


def committed(files: RunFiles) -> dict[str, str]:
    """Trace id → query of every sample in the run's ledgers; nothing where there is no run yet."""
    try:
        with LedgerReader(files.run_dir) as reader:
            rows = reader.samples(limit=1_000_000)
    except RunError:  # it was killed before it was made
        return {}
    samples = {row["trace_id"]: row["query"] for row in rows}
    assert len(samples) == len(rows), "a sample was committed twice"
    return samples


def check_ledgers(files: RunFiles, known: dict[str, str]) -> dict[str, str]:
    """What was committed is still there, each row with its trace, and the slots add up; what is committed now."""
    samples = committed(files)
    assert known.items() <= samples.items(), "a committed row is lost or changed"
    if not samples:
        return samples
    for database in files.run_dir.glob("run*.db"):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            for one, other in (("sample", "trace"), ("trace", "sample")):
                lonely = f"SELECT slot, round FROM {one} EXCEPT SELECT slot, round FROM {other}"
                assert connection.execute(lonely).fetchall() == [], f"a {one} without its {other}"
    with LedgerReader(files.run_dir) as reader:
        counts = reader.counts()
        assert counts.planned == counts.accepted + counts.rejected + counts.failed + counts.pending
        accepted = [row["slot"] for row in reader.accepted_rows()]
        assert len(set(accepted)) == len(accepted), "a slot was delivered twice"
        for name in samples:
            slot, round = map(int, name.split("."))
            assert reader.trace(SampleKey(slot, round))["trace_id"] == name
    return samples


def kill_and_finish(
    run_files: Callable[..., RunFiles], *, rows: int, kills: int, workers: int, seed: int | None = None
) -> None:
    """Kill a run ``kills`` times, the first time while it starts, and let it end: every row is there, and once."""
    seed = random.randrange(2**32) if seed is None else seed
    print(f"seed {seed}")
    rng = random.Random(seed)
    command = ("generate", "--workers", str(workers))
    with serve_in_thread(FakeEndpoint(answer=slowly(ANSWER_S), vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": rows, "max_rounds": 8}, targets=TEXT_ONLY)
        known: dict[str, str] = {}
        for number in range(kills):
            child = files.start(*command, start_new_session=True)
            if number == 0:
                time.sleep(rng.uniform(0.5, 4.0))
                victim = "group"
            else:
                wanted = len(generations(fake)) + rng.randint(1, max(1, rows // kills // 2))
                wait_until(lambda wanted=wanted: len(generations(fake)) >= wanted, child)
                time.sleep(rng.uniform(0, 0.3))
                victim = rng.choice(["group", "coordinator", "worker"])
            known |= committed(files)
            if _kill(child, victim, rng) == "worker":
                # It is started again and the run goes on: another blow ends that, before the rows are all there.
                time.sleep(rng.uniform(0, 0.3))
                _kill(child, "group", rng)
            finish(child)
            known = check_ledgers(files, known)
        _wait_for_orphans(files)
        known, asked, attempts = check_ledgers(files, known), len(generations(fake)), _attempts(files)
        ended = files.run(*command)
        assert ended.code == 0, ended.err
        check_ledgers(files, known)
        assert len(generations(fake)) - asked == _attempts(files) - attempts, "a finished row was asked for again"
    assert [int(row["id"].split(".")[0]) for row in files.rows()] == list(range(rows))


def kill_worker(child: subprocess.Popen[str], rng: random.Random | None = None) -> bool:
    """Kill -9 one of the run's workers; whether it has any."""
    workers = [int(pid) for pid in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()]
    if workers:
        os.kill((rng or random.Random(0)).choice(workers), signal.SIGKILL)
    return bool(workers)


def _kill(child: subprocess.Popen[str], victim: str, rng: random.Random) -> str:
    """Kill -9 the whole group, the coordinator alone, or one worker if it has any; which of them it was."""
    if victim == "worker" and kill_worker(child, rng):
        return "worker"
    if victim == "group":
        os.killpg(child.pid, signal.SIGKILL)
        return "group"
    child.send_signal(signal.SIGKILL)
    return "coordinator"


def _wait_for_orphans(files: RunFiles, limit_s: float = 30) -> None:
    """The workers of a killed coordinator send and commit until they see that it is gone."""
    deadline = time.monotonic() + limit_s
    while running_pid(files.run_dir) is not None:
        assert time.monotonic() < deadline, "the orphans do not end"
        time.sleep(0.05)


def _attempts(files: RunFiles) -> int:
    with LedgerReader(files.run_dir) as reader:
        return sum(row["attempts"] for row in reader.samples(limit=1_000_000))
