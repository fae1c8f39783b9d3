import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from factories import make_record

from routenator.engine.ledger import LedgerReader
from routenator.engine.reports.building import build_report
from routenator.engine.reports.scan import Yardstick
from routenator.engine.reports.scanning import scan_run
from routenator.engine.reports.tally import LengthBands
from routenator.engine.sample import SampleKey
from routenator.engine.validation.lexicon import Lexicon

VERDICTS = ("accepted", "rejected", "failed")


@pytest.fixture(scope="module")
def records():
    return [make_record(slot, verdict=VERDICTS[slot % 3]) for slot in range(90)]


@pytest.fixture
def run(tmp_path, records, fill_run):
    with fill_run(tmp_path / "run", records, 21_000) as reader:
        yield reader


def scan(reader, processes=1, lexicon=None):
    return scan_run(reader, Yardstick(LengthBands([]), lexicon), processes)


def test_usage_and_reasons_are_those_of_all_samples_and_attempts(run, records):
    found = scan(run)
    assert sum(found.ends.values()) == sum(found.attempts.values()) == len(records)
    assert sum(found.passes.values()) == sum(len(record.attempts) for record in records)
    tokens = found.token_sums()
    attempts = [attempt for record in records for attempt in record.attempts]
    assert tokens.prompt == sum(a.completion.prompt_tokens for a in attempts if a.completion) > 0
    assert tokens.judge_completion == sum(c.completion_tokens for a in attempts for c in a.judge_completions) > 0
    lengths = sum(n for (_, _, reason), n in found.reasons.items() if reason == "rules:length")
    assert lengths == sum(bool(a.critique and a.critique.findings) for a in attempts) > 0
    failed = sum(n for (_, _, reason), n in found.reasons.items() if reason == "error:endpoint")
    assert failed == sum(a.error_class == "endpoint" for a in attempts) > 0


def test_latency_is_of_the_time_that_a_sample_spends_in_a_node(run, records):
    found = scan(run).latencies
    assert found["walk"].count == len(records)
    assert found["walk"].quantile_ms(0.5) == pytest.approx(0.043, rel=0.006)
    texts = sorted(
        sum(span.duration_ms for span in record.spans if span.node == "generate_text")
        for record in records
        if record.stratum.route == "text"
    )
    assert found["generate_text"].quantile_ms(0.5) == pytest.approx(texts[len(texts) // 2], rel=0.006)
    assert found["generate_text"].total_ms == pytest.approx(sum(texts), rel=1e-6)


def test_processes_count_what_one_counts(tmp_path, plan, pack, fill_run, record_of):
    # Slots of all three parts of the plan, among them both sides of a border.
    slots = [*range(40), *range(9_990, 10_010), *range(20_500, 20_520)]
    records = [
        replace(record_of(plan, pack, slot % plan.rows, 0, VERDICTS[slot % 2]), key=SampleKey(slot)) for slot in slots
    ]
    with fill_run(tmp_path / "run", records, 21_000) as reader:
        lexicon = Lexicon.from_pack(pack)
        one, many = scan(reader, 1, lexicon), scan(reader, 2, lexicon)
    assert sum(one.ends.values()) == len(slots)
    for name in ("kinds", "models", "ends", "passes", "attempts", "reasons", "errors", "tokens", "damaged"):
        assert getattr(one, name) == getattr(many, name), name
    assert one.lengths.summaries() == many.lengths.summaries()
    assert one.diversity.result() == many.diversity.result()
    assert one.examples.keys() == many.examples.keys()
    for node, histogram in one.latencies.items():
        assert histogram.quantile_ms(0.95) == many.latencies[node].quantile_ms(0.95)


def test_a_damaged_row_is_counted_as_such_and_nowhere_else(tmp_path, plan, pack, facts, fill_run, record_of):
    records = [record_of(plan, pack, slot) for slot in range(50)]
    with fill_run(tmp_path / "run", records, plan.rows) as reader:
        assert build_report(reader, pack, plan, facts).damaged == 0
    with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as connection, connection:
        connection.execute("UPDATE sample SET query = 'another' WHERE slot IN (3, 30)")
    with LedgerReader(tmp_path / "run") as reader:
        report = build_report(reader, pack, plan, facts)
    assert (report.damaged, report.delivered) == (2, 48)
    assert report.to_json()["damaged"] == 2
