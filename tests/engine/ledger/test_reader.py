import asyncio
import random
import sqlite3
import time
import tracemalloc
from collections import Counter
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice

import pytest
from factories import make_record
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.errors import RunError
from routenator.engine.ledger import Duplicate, LedgerReader, LedgerWriter, RunDirectory, SampleFilter
from routenator.engine.ledger.repairing import repair_run
from routenator.engine.ledger.rows import build_row, parse_row
from routenator.engine.ledger.schema import connect_reader
from routenator.engine.ledger.totals import find_wrong_total
from routenator.engine.sample import Critique, Finding, SampleKey

VERDICTS = ("accepted", "rejected", "failed")


def fill(path, records, planned_rows):
    RunDirectory.create_or_open(path, identity={}, planned_rows=planned_rows).close()

    async def write():
        failures = []
        async with LedgerWriter(path, failures.append) as writer:
            for record in records:
                await writer.put(record)
        assert failures == []

    asyncio.run(write())
    return LedgerReader(path)


@pytest.fixture(scope="module")
def records():
    rng = random.Random(5)
    made = [make_record(slot, verdict=rng.choice(VERDICTS)) for slot in range(200)]
    return made + [make_record(r.key.slot, 1, rng.choice(VERDICTS)) for r in made if r.verdict != "accepted"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory, records):
    with fill(tmp_path_factory.mktemp("reader") / "run", records, 260) as reader:
        yield reader


def test_planned_is_accepted_rejected_failed_and_pending(reader, records):
    latest = {record.key.slot: record.verdict for record in records}
    counts = reader.counts()
    assert counts.planned == 260
    assert counts.accepted == sum(verdict == "accepted" for verdict in latest.values())
    assert counts.rejected == sum(verdict == "rejected" for verdict in latest.values())
    assert counts.failed == sum(verdict == "failed" for verdict in latest.values())
    assert counts.pending == 60


def test_a_slot_is_accepted_when_any_round_is(tmp_path):
    records = [make_record(0, 0, "accepted"), make_record(0, 1, "rejected"), make_record(1, 2, "failed")]
    with fill(tmp_path, [*records, make_record(1, 10, "rejected")], 3) as reader:
        counts = reader.counts()
        assert (counts.accepted, counts.rejected, counts.failed, counts.pending) == (1, 1, 0, 1)
        assert list(reader.open_slots(10)) == [SampleKey(2)]
        assert list(reader.open_slots(11)) == [SampleKey(1, 11), SampleKey(2)]
        assert [row["trace_id"] for row in reader.accepted_rows()] == ["0.0"]


@settings(max_examples=25, deadline=None)
@given(
    planned=st.integers(0, 30),
    max_rounds=st.integers(0, 3),
    verdicts=st.dictionaries(st.tuples(st.integers(0, 35), st.integers(0, 3)), st.sampled_from(VERDICTS), max_size=30),
)
def test_open_slots_are_those_without_an_accepted_sample(tmp_path_factory, planned, max_rounds, verdicts):
    expected = []
    for slot in range(planned):
        rounds = {round: verdict for (other, round), verdict in verdicts.items() if other == slot}
        next_round = max(rounds, default=-1) + 1
        if "accepted" not in rounds.values() and next_round <= max_rounds:
            expected.append(SampleKey(slot, next_round))
    record = make_record(0, attempts=1)
    samples = [replace(record, key=SampleKey(*key), verdict=verdict) for key, verdict in verdicts.items()]
    with fill(tmp_path_factory.mktemp("open"), samples, planned) as reader:
        assert list(reader.open_slots(max_rounds)) == expected


@settings(max_examples=25, deadline=None)
@given(
    verdicts=st.dictionaries(st.tuples(st.integers(0, 9), st.integers(0, 3)), st.sampled_from(VERDICTS), max_size=30),
    random=st.randoms(),
)
def test_totals_are_what_the_samples_add_up_to_in_any_order_and_with_duplicates(tmp_path_factory, verdicts, random):
    record = make_record(0, attempts=1)
    samples = [replace(record, key=SampleKey(*key), verdict=verdict) for key, verdict in verdicts.items()]
    random.shuffle(samples)
    path = tmp_path_factory.mktemp("totals")
    fill(path, [*samples, *samples[:5]], 12).close()
    accepted = [sample.key for sample in samples if sample.verdict == "accepted"][::2]

    async def mark():
        async with LedgerWriter(path, print) as writer:
            await writer.mark_duplicates([Duplicate(key, "99.0", "exact") for key in accepted])

    asyncio.run(mark())
    verdicts |= {(key.slot, key.round): "rejected" for key in accepted}
    slots = Counter()
    for slot in range(12):
        rounds = [verdicts[slot, round] for round in range(4) if (slot, round) in verdicts]
        slots["accepted" if "accepted" in rounds else rounds[-1] if rounds else "pending"] += 1
    with LedgerReader(path) as reader:
        assert Counter(asdict(reader.counts())) - Counter(planned=12) == slots
        assert {group["verdict"]: group["samples"] for group in reader.tally("verdict")} == Counter(verdicts.values())
        for verdict in VERDICTS:
            wanted = SampleFilter(verdict=verdict)
            assert reader.count_samples(wanted) == len(reader.samples(wanted))
    with closing(sqlite3.connect(path / "run.db")) as connection:
        assert find_wrong_total(connection) is None


def test_open_slots_miss_none_where_two_reads_meet(tmp_path):
    record = make_record(0, attempts=1)
    verdicts = {9_998: "accepted", 9_999: "rejected", 10_000: "accepted", 19_999: "failed", 20_000: "rejected"}
    samples = [replace(record, key=SampleKey(slot), verdict=verdict) for slot, verdict in verdicts.items()]
    with fill(tmp_path, samples, 20_001) as reader:
        expected = [SampleKey(s, int(s in verdicts)) for s in range(20_001) if verdicts.get(s) != "accepted"]
        assert list(reader.open_slots(1)) == expected
        assert list(reader.open_slots(0)) == [key for key in expected if key.round == 0]


def test_a_million_slots_are_resumed_at_once_in_constant_memory(tmp_path):
    fill(tmp_path, [make_record(0)], 1_000_000).close()
    with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(sample)")]
        copied = ", ".join("n" if name == "slot" else name for name in columns)
        connection.execute(
            f"WITH RECURSIVE ns(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM ns WHERE n < 30000) "
            f"INSERT INTO sample ({', '.join(columns)}) SELECT {copied} FROM sample, ns WHERE slot = 0"
        )
        connection.commit()
    with LedgerReader(tmp_path) as reader:
        began = time.monotonic()
        keys = reader.open_slots(4)
        assert next(keys) == SampleKey(30_001)
        assert time.monotonic() - began < 5
        tracemalloc.start()
        assert sum(1 for _ in islice(keys, 50_000)) == 50_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


def test_an_iterator_of_open_slots_sees_what_was_finished_behind_it(tmp_path):
    with fill(tmp_path, [make_record(slot, verdict="rejected") for slot in range(5)], 5) as reader:
        keys = reader.open_slots(3)
        assert next(keys) == SampleKey(0, 1)
        with fill(tmp_path, [make_record(0, 1, "accepted")], 5):
            assert [key.slot for key in keys] == [1, 2, 3, 4]
            assert SampleKey(0, 2) not in reader.open_slots(3)


def test_accepted_rows_come_in_slot_order_with_everything_an_export_needs(reader, records):
    rows = list(reader.accepted_rows())
    accepted = {record.key.slot: record for record in records if record.verdict == "accepted"}
    assert [row["slot"] for row in rows] == sorted(accepted)
    for row in rows:
        record = accepted[row["slot"]]
        assert row["trace_id"] == record.key.trace_id
        assert row["query"] == record.candidate.query
        assert row["arguments"] == record.candidate.arguments
        assert (row["route"], row["function"]) == (record.stratum.route, record.stratum.function)
        assert row["grounding"]["nodes"][0]["label"] == record.grounding.nodes[0].label
        assert row["grounding"]["hops"][0]["weight"] == record.grounding.hops[0].weight
        assert row["attempts"] == len(record.attempts)
        completions = [attempt.completion for attempt in record.attempts if attempt.completion]
        assert row["prompt_tokens"] == sum(completion.prompt_tokens for completion in completions)
        judged = [completion for attempt in record.attempts for completion in attempt.judge_completions]
        assert row["judge_completion_tokens"] == sum(completion.completion_tokens for completion in judged)
        assert row["node_ms"]["walk"] == 0.043


@pytest.mark.parametrize("column", ["verdict", "route", "error_class", "function", "category", "template"])
def test_samples_are_filtered_by(reader, records, column):
    def value_of(record):
        return getattr(record, column) if hasattr(record, column) else getattr(record.stratum, column)

    values = {value_of(record) for record in records} - {None}
    assert len(values) > 1
    for value in values:
        wanted = SampleFilter(**{column: value})
        expected = sorted(record.key for record in records if value_of(record) == value)
        found = [SampleKey(row["slot"], row["round"]) for row in reader.samples(wanted, limit=1_000)]
        assert found == expected
        assert reader.count_samples(wanted) == len(expected)


def test_filters_join_and_pages_do_not_overlap(reader, records):
    wanted = SampleFilter(verdict="rejected", function="search")
    pages = [reader.samples(wanted, limit=7, offset=offset) for offset in range(0, 70, 7)]
    found = [row["trace_id"] for page in pages for row in page]
    keys = sorted(r.key for r in records if r.verdict == "rejected" and r.stratum.function == "search")
    assert found == [key.trace_id for key in keys][:70]


def test_filter_values_are_values_not_sql(reader):
    assert reader.samples(SampleFilter(route="' OR 1=1 --")) == []
    assert reader.count_samples(SampleFilter(template="\ud800")) == 0


def test_groups_are_only_by_known_columns(reader):
    for columns in [("id;drop",), ("query",), ()]:
        with pytest.raises(ValueError):
            reader.tally(*columns)


def test_tallies_count_every_sample_once(reader, records):
    groups = reader.tally("route", "verdict")
    assert sum(group["samples"] for group in groups) == len(records)
    for group in groups:
        same = [r for r in records if r.stratum.route == group["route"] and r.verdict == group["verdict"]]
        assert group["samples"] == len(same)
    accepted = reader.tally("category", wanted=SampleFilter(verdict="accepted"))
    assert sum(group["samples"] for group in accepted) == sum(record.verdict == "accepted" for record in records)


def test_an_attempts_error_and_the_finding_that_repeats_it_are_one_reason():
    record = make_record(0, verdict="failed", attempts=1)
    findings = (Finding("unfit", "No phrase fits.", "parse"), Finding("length", "Too long.", "rules"))
    attempt = replace(record.attempts[0], error_class="unfit", critique=Critique("revise", findings))
    values = parse_row(build_row(replace(record, attempts=(attempt,)), 0.0))
    assert values["reasons"] == ["error:unfit", "rules:length"]


def test_what_was_committed_lately(reader, records):
    assert sum(reader.committed_since(time.time() - 600).values()) == len(records)
    assert reader.committed_since(time.time() + 600) == {}


def test_the_sample_that_is_shown_for_a_slot(reader, records):
    assert reader.shown_sample(259) is None
    for record in records:
        shown = reader.shown_sample(record.key.slot)
        rounds = {r.key.round: r.verdict for r in records if r.key.slot == record.key.slot}
        assert rounds[shown.round] == "accepted" or shown.round == max(rounds)


def test_no_trace_of_a_sample_that_is_not_there(reader):
    assert reader.trace(SampleKey(259)) is None


def test_a_damaged_trace_is_a_run_error(tmp_path):
    with fill(tmp_path, [make_record(0), make_record(1)], 2) as reader:
        with closing(sqlite3.connect(tmp_path / "run.db")) as connection:
            connection.execute("UPDATE trace SET blob = x'00ff' WHERE slot = 0")
            connection.commit()
        with pytest.raises(RunError, match=r"trace 0\.0"):
            reader.trace(SampleKey(0))
        assert reader.trace(SampleKey(1)) is not None


def test_the_reader_cannot_write(reader):
    with (
        closing(connect_reader(reader.path)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM sample")


def test_several_ledgers_read_as_one(tmp_path, reader, records):
    """What 4 ledgers hold together is what one holds; ``samples`` in pages, as they come from several files."""
    directory = RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=260, ledgers=4)
    directory.close()

    async def write():
        writers = [LedgerWriter(tmp_path, lambda failure: None, ledger) for ledger in range(4)]
        for record in records:
            await writers[directory.layout.ledger_of(record.key.slot)].put(record)
        for writer in writers:
            await writer.close()

    def without_times(rows):
        return [{name: cell for name, cell in row.items() if name != "committed_at"} for row in rows]

    asyncio.run(write())
    with LedgerReader(tmp_path) as union:
        assert union.counts() == reader.counts()
        assert list(union.open_slots(3)) == list(reader.open_slots(3))
        shares = [list(union.open_slots(3, [ledger])) for ledger in range(4)]
        assert sorted(key for share in shares for key in share) == list(reader.open_slots(3))
        assert all(directory.layout.ledger_of(key.slot) == n for n, share in enumerate(shares) for key in share)
        assert list(union.open_slots(3, [1, 3])) == sorted(shares[1] + shares[3])
        assert without_times(union.accepted_rows()) == without_times(reader.accepted_rows())
        for offset in range(0, 260, 7):
            assert without_times(union.samples(None, 7, offset)) == without_times(reader.samples(None, 7, offset))
        assert union.tally("error_class", "route") == reader.tally("error_class", "route")
        assert sum(union.committed_since(0).values()) == len(records)
        for record in records[::20]:
            assert union.trace(record.key) == reader.trace(record.key)
            assert union.shown_sample(record.key.slot) == reader.shown_sample(record.key.slot)


def test_far_pages_are_found_among_filtered_samples(tmp_path):
    record = make_record(0, attempts=1)
    samples = [replace(record, key=SampleKey(s), verdict=VERDICTS[s % 3]) for s in range(0, 9_000, 2)]
    with fill(tmp_path, samples, 9_000) as reader:
        rejected = [sample.key for sample in samples if sample.verdict == "rejected"]
        for offset in (0, 999, 1_000, 1_001, 1_400, len(rejected) - 3, len(rejected)):
            rows = reader.samples(SampleFilter(verdict="rejected"), limit=5, offset=offset)
            assert [SampleKey(row["slot"]) for row in rows] == rejected[offset : offset + 5]


def test_a_run_may_keep_no_traces(tmp_path):
    RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=5).close()

    async def write(slot, traces):
        async with LedgerWriter(tmp_path, lambda failure: None, traces=traces) as writer:
            await writer.put(make_record(slot))

    asyncio.run(write(0, False))
    asyncio.run(write(1, True))
    with LedgerReader(tmp_path) as reader:
        assert reader.counts().accepted == 2
        assert reader.trace(SampleKey(0)) is None
        assert reader.sample(SampleKey(0))["verdict"] == "accepted"
        assert reader.trace(SampleKey(1))["verdict"] == "accepted"
    assert [repair.fault for repair in repair_run(tmp_path)] == [None]
