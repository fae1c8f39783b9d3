import random

import pytest
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.writer import Writer, facts_of, write_query

from routenator.engine.ledger.reader import LedgerReader

ONE_FORM = {
    "route": {"text": 1.0},
    "category": {"image": 1.0},
    "length": {"3-5": 1.0},
    "phrasing": {"fragment": 1.0},
    "keyword_position": {"end": 1.0},
}


def repeat_itself(body):
    """A writer without imagination: one query for each subject and number of words."""
    facts = facts_of(body)
    if facts is None:
        return Writer().answer(body)
    return Reply.json({"query": write_query(body, facts, random.Random(facts["labels"][-2]))})


@pytest.fixture
def dull():
    with serve_in_thread(FakeEndpoint(answer=repeat_itself, vision=True)) as fake:
        yield fake


def test_duplicates_are_rejected_and_refilled_until_the_budget_is_spent(run_files, dull):
    files = run_files(dull.base_url, recipe={"rows": 40, "max_rounds": 2}, targets=ONE_FORM)
    ended = files.run()
    assert ended.code == 1, ended.err
    queries = [row["query"] for row in files.rows()]
    assert len(queries) == len(set(queries)) < 40
    missing = 40 - len(queries)
    assert f"{len(queries)} of 40 rows delivered; {missing} are missing" in " ".join(ended.out.split())
    report = " ".join(files.run("report").out.split())
    assert f"{missing} are missing" in report
    # Every slot that is missing went through all its rounds, and no filled slot was asked for again.
    [(refills,)] = files.query("SELECT count(*) FROM sample WHERE round > 0")
    assert refills > 0
    rounds = files.query("SELECT max(round) FROM sample GROUP BY slot HAVING sum(verdict = 'accepted') = 0")
    assert rounds == [(2,)] * missing
    kept = files.query("SELECT count(*) FROM sample WHERE error_class = 'duplicate' AND duplicate_of IS NULL")
    assert kept == [(0,)]


def test_finalize_fills_what_is_open_from_the_directory_alone(run_files, dull):
    files = run_files(dull.base_url, recipe={"rows": 24, "max_rounds": 0}, targets=ONE_FORM)
    assert files.run().code == 1
    files.recipe["max_rounds"] = 9
    dull.answer = lambda body: Reply.status(503) if facts_of(body) else Writer().answer(body)
    files.endpoint |= {"max_retries": 0, "timeout_s": 0.2}
    outage = files.run()
    assert outage.code == 1
    assert "the open slots have rounds left" in outage.err
    # An outage costs one round, not all of them.
    assert files.query("SELECT max(round) FROM sample") == [(1,)]
    files.recipe_path.unlink()
    dull.answer = Writer().answer
    ended = files.run("finalize")
    assert ended.code == 0, ended.err
    assert len(files.rows()) == 24
    with LedgerReader(files.run_dir) as reader:
        assert reader.counts().accepted == 24


def test_finalize_of_no_run_says_so(run_files, dull):
    files = run_files(dull.base_url)
    ended = files.run("finalize")
    assert ended.code == 2
    assert "no run" in ended.err
    assert not files.run_dir.exists()
