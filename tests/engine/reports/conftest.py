import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from factories import make_record

from routenator.engine.domain.loading import load_pack
from routenator.engine.ledger import Duplicate, LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.reports.building import build_report
from routenator.engine.reports.report import RunFacts
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import Candidate, SampleKey

OPENERS = {"fragment": "", "imperative": "find ", "question": "where is "}
FILLERS = "paper lantern coffee mountain ridge chalk palm neon fairy light garden harbour violin winter market".split()


def write_query(stratum, pack, rng):
    """A query that measures as its stratum, most of the time."""
    low, high = map(int, stratum.length.split("-"))
    keyword = [] if stratum.keyword_position == "absent" else [pack.spec.categories[stratum.category].keywords["en"][0]]
    opener = OPENERS[stratum.phrasing].split()
    fillers = rng.choices(FILLERS, k=max(1, rng.randint(low, high) - len(opener) - len(keyword)))
    at = {"start": 0, "middle": len(fillers) // 2, "end": len(fillers), "absent": 0}[stratum.keyword_position]
    return " ".join(opener + fillers[:at] + keyword + fillers[at:])


def record_of(plan, pack, slot, round=0, verdict="accepted"):
    rng = random.Random(f"{slot}/{round}")
    stratum = plan.stratum(slot)
    record = make_record(slot, round, verdict)
    candidate = Candidate(write_query(stratum, pack, rng), {"content_type": stratum.category, "prompt": "a lantern"})
    attempts = record.attempts
    if stratum.route == "heuristic":
        attempts = tuple(replace(attempt, completion=None) for attempt in attempts)
    template = f"{stratum.route}/{rng.choice(('plain', 'persona'))}"
    return replace(record, stratum=stratum, candidate=candidate, attempts=attempts, template=template)


def fill_run(path, records, planned_rows, duplicates=()):
    RunDirectory.create_or_open(path, identity={}, planned_rows=planned_rows).close()

    async def write():
        async with LedgerWriter(path, lambda failure: None) as writer:
            for record in records:
                await writer.put(record)
            await writer.mark_duplicates(duplicates)

    asyncio.run(write())
    return LedgerReader(path)


@pytest.fixture(scope="session", name="fill_run")
def fill_run_fixture():
    return fill_run


@pytest.fixture(scope="session", name="record_of")
def record_of_fixture():
    return record_of


@pytest.fixture(scope="session")
def pack():
    return load_pack(Path(__file__).parents[2] / "packs" / "tiny")


@pytest.fixture(scope="session")
def plan(pack):
    return Plan(fit_targets(pack.targets), 300, seed=7)


@pytest.fixture(scope="session")
def facts():
    figures = {"threshold": 0.7, "n": 50, "error": None}
    calibrations = (
        {"voter": "judge", "balanced_accuracy": 0.61, "votes": False, **figures},
        {"voter": "rules", "balanced_accuracy": 0.87, "votes": True, **figures},
    )
    created_at = "2026-11-22T13:00:00+00:00"
    return RunFacts("birthday-run", "tiny", 7, 300, 300, created_at, "0.1.0", ("vision moved",), calibrations)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, plan, pack, facts):
    """A run that met its plan, after a first round in which every third sample was rejected or failed."""
    records = []
    for slot in range(plan.rows):
        if slot % 3 == 0:
            records.append(record_of(plan, pack, slot, 0, "rejected" if slot % 2 else "failed"))
        records.append(record_of(plan, pack, slot, int(slot % 3 == 0)))
    with fill_run(tmp_path_factory.mktemp("finished") / "run", records, plan.rows) as reader:
        return build_report(reader, pack, plan, facts)


@pytest.fixture(scope="session")
def running(tmp_path_factory, plan, pack, facts):
    """A run that has come to slot 200; all its icons were rejected, and slot 3 repeats slot 1."""
    records = [
        record_of(plan, pack, slot, 0, "rejected" if plan.stratum(slot).category == "icon" else "accepted")
        for slot in range(200)
    ]
    repeated = next(r.key for r in records if r.verdict == "accepted" and r.key.slot >= 3)
    duplicates = [Duplicate(repeated, SampleKey(0).trace_id, "exact")]
    with fill_run(tmp_path_factory.mktemp("running") / "run", records, plan.rows, duplicates) as reader:
        return build_report(reader, pack, plan, facts)
