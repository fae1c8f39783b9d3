import itertools
import json
from collections import Counter
from dataclasses import replace

import pytest
import yaml
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.run_files import TINY
from fakes.writer import Writer, facts_of, generations, opening_of

from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.ledger.schema import STRATUM_COLUMNS
from routenator.engine.sample import AXES


def read_plan(files):
    with LedgerReader(files.run_dir) as reader:
        return RunMeta.from_meta(reader.meta()).plan


@pytest.fixture
def fake():
    with serve_in_thread(FakeEndpoint(answer=Writer().answer, vision=True)) as fake:
        yield fake


def refusing_some(body):
    """A writer of whom one query in three says too much at the first attempt."""
    reply = Writer().answer(body)
    facts = facts_of(body)
    if facts is not None and "Not " not in facts["prompt"] and body["seed"] % 3 == 0:
        return Reply.json({"query": "word " * 30})
    return reply


def test_delivered_rows_match_the_plan_to_the_row_after_rejections(run_files):
    with serve_in_thread(FakeEndpoint(answer=refusing_some, vision=True)) as fake:
        routes = {"heuristic": 0.1, "text": 0.6, "vision": 0.3}
        files = run_files(
            fake.base_url, recipe={"rows": 20, "max_rounds": 8}, targets={"route": routes, "length": {"3-5": 1.0}}
        )
        ended = files.run()
    assert ended.code == 0, ended.err
    assert files.query("SELECT count(*) FROM sample WHERE reasons != '[]'")[0][0] > 0, "nothing was refused"
    plan = read_plan(files)
    columns = ", ".join(STRATUM_COLUMNS)
    delivered = Counter(files.query(f"SELECT {columns} FROM sample WHERE verdict = 'accepted'"))
    planned = Counter(tuple(getattr(plan.stratum(slot), axis) for axis in AXES) for slot in range(20))
    assert delivered == planned
    assert plan.expected_counts("route") == {"heuristic": 2, "text": 12, "vision": 6}


def test_rows_hold_their_label_grounding_and_trace(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 6})
    ended = files.run()
    assert ended.code == 0, ended.err
    assert "All 6 rows delivered" in ended.out
    rows = files.rows()
    assert [row["id"] for row in rows] == [f"{slot}.0" for slot in range(6)]
    assert all(len(row["grounding"]["nodes"]) == 4 for row in rows)
    assert rows[3]["query"] in files.run("traces", "show", rows[3]["id"]).out
    assert (files.run_dir / "report.html").read_text().count("<svg") > 0


def test_progress_without_a_terminal_is_plain_lines_on_standard_error(run_files, fake):
    ended = run_files(fake.base_url, recipe={"rows": 4}).run()
    assert ended.code == 0, ended.err
    assert "4/4 rows, 0 rejected, 0 failed, 0 in flight" in ended.err
    assert "\x1b" not in ended.err + ended.out


def test_json_writes_one_object_a_line_and_nothing_else_on_standard_output(run_files, fake):
    ended = run_files(fake.base_url, recipe={"rows": 4}).run("generate", "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events][-2:] == ["progress", "end"]
    assert events[-1]["accepted"] == events[-1]["planned"] == 4


def test_a_finished_run_is_continued_without_asking_for_anything_again(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 5})
    assert files.run().code == 0
    asked, rows = len(fake.requests), files.rows()
    again = files.run()
    assert again.code == 0
    assert "Continuing the run" in again.err
    assert len(fake.requests) == asked
    assert files.rows() == rows


def test_a_run_goes_on_where_it_stood_and_never_replays_finished_rows(run_files):
    writer = Writer()
    with serve_in_thread(FakeEndpoint(answer=writer.answer, vision=True)) as fake:
        # Vision fails at first: two slots of five stay open.
        blind = Reply.status(400, "no images today")
        fake.answer = lambda body: blind if opening_of(body).startswith("You look") else writer.answer(body)
        files = run_files(fake.base_url, recipe={"rows": 10, "max_rounds": 0})
        ended = files.run()
        assert ended.code == 1
        assert "4 of 10 rows are missing" in ended.err
        assert files.query("SELECT count(*) FROM sample WHERE verdict = 'failed'") == [(4,)]
        before = len(generations(fake))
        fake.answer = writer.answer
        files.recipe["max_rounds"] = 4
        ended = files.run()
        assert ended.code == 0, ended.err
        [(samples, attempts)] = files.query("SELECT count(*), sum(attempts) FROM sample WHERE round > 0")
        assert len(generations(fake)) - before == attempts
        assert samples == 4
    assert files.query("SELECT count(*) FROM sample WHERE round = 0") == [(10,)]


@pytest.mark.fault(36)
def test_a_changed_recipe_is_refused_with_the_change(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 4})
    assert files.run().code == 0
    files.recipe |= {"rows": 5, "seed": 4}
    ended = files.run()
    assert ended.code == 3
    assert "recipe.rows: 4 → 5" in ended.err
    assert "recipe.seed: 3 → 4" in ended.err
    assert files.query("SELECT count(*) FROM sample") == [(4,)]


def test_a_changed_pack_or_model_is_refused(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 4})
    assert files.run().code == 0
    files.endpoint["model"] = "other"
    with (files.pack / "content.jsonl").open("a") as content:
        content.write('{"id": "new-1", "title": "Red kite", "keywords": ["kite"], "type": "image"}\n')
    ended = files.run()
    assert ended.code == 3
    assert 'endpoints.endpoints.fake.model: "fake" → "other"' in ended.err
    assert "pack_digest" in ended.err


def test_a_first_start_that_fails_leaves_no_settings_behind(run_files, fake):
    files = run_files(fake.base_url, {"model": "another"}, recipe={"rows": 6})
    failed = files.run()
    assert failed.code == 3
    assert "another" in failed.err
    files.endpoint["model"] = "fake"
    mended = files.run()
    assert mended.code == 0, mended.err
    assert len(files.rows()) == 6


def test_where_and_how_fast_endpoints_are_asked_may_change(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 4})
    assert files.run().code == 0
    with serve_in_thread(FakeEndpoint(answer=Writer().answer, vision=True)) as elsewhere:
        files.endpoint |= {"base_url": elsewhere.base_url, "max_in_flight": 3}
        files.recipe["max_in_flight"] = 2
        assert files.run().code == 0


def test_missing_vision_is_refused_by_default_and_says_the_way_out(run_files):
    with serve_in_thread(FakeEndpoint(answer=Writer().answer)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 4, "on_missing_vision": "fail"})
        ended = files.run()
    assert ended.code == 3
    assert "The vision routes cannot run: fake cannot see images" in ended.err
    assert "redistribute" in ended.err
    assert not generations(fake)


def test_missing_vision_is_redistributed_aloud(run_files):
    with serve_in_thread(FakeEndpoint(answer=Writer().answer)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 10}, roles={"text": "fake"})
        ended = files.run()
        assert ended.code == 0, ended.err
        said = "no endpoint plays the role vision): their share of 40% goes to the other routes (now text 100%)"
        assert said in " ".join(ended.err.split())
        assert files.query("SELECT DISTINCT route FROM sample") == [("text",)]
        report = files.run("report")
    assert "share of 40%" in " ".join(report.out.split())


def judging(rubric, label=None):
    """A writer who is the judge as well: ``rubric(user's text)`` → score, ``label(query)`` → function and category."""
    writer = Writer()

    def answer(body):
        system = opening_of(body)
        if system.startswith("You label"):
            return Reply.json(label(json.loads(body["messages"][-1]["content"])["query"]))
        if system.startswith("You check"):
            score = rubric(body["messages"][-1]["content"])
            return Reply.json({"reason": "so it seems", "naturalness": score, "grounding": score, "label": score})
        return writer.answer(body)

    return answer


def all_roles():
    return {"text": "fake", "vision": "fake", "judge": "fake"}


def calibration(files):
    with LedgerReader(files.run_dir) as reader:
        return next(item for item in reader.meta()["calibrations"] if item["voter"] == "judge")


def test_a_judge_that_passes_everything_has_no_vote(run_files):
    answer = judging(lambda text: 5, lambda query: {"function": "search", "category": "image"})
    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 4, "critique": {"judge_pairs": 6}}, roles=all_roles())
        ended = files.run()
        assert ended.code == 0, ended.err
    assert "The judge has no vote: balanced accuracy" in ended.err
    assert not calibration(files)["votes"]
    assert "no vote" in " ".join(files.run("report").out.split())


def test_a_judge_that_tells_good_from_bad_votes(run_files):
    categories = yaml.safe_load((TINY / "domain.yaml").read_text())["categories"]
    keywords = {word: name for name, category in categories.items() for word in category["keywords"]["en"]}
    makers = ("create", "draw", "design", "make", "paint", "put together")

    def label(query):
        category = next((name for word, name in keywords.items() if word in query), "image")
        is_made = any(query.startswith(word) for word in makers)
        return {"function": "generate" if is_made else "search", "category": category}

    def rubric(text):
        row = json.loads(text.splitlines()[1])
        subject = " ".join([*row["subject"]["labels"], row["subject"]["title"] or ""]).lower()
        known = any(word in subject for word in row["row"]["query"].lower().split() if len(word) > 3)
        return 5 if known and "verdict" not in row["row"]["query"] else 1

    with serve_in_thread(FakeEndpoint(answer=judging(rubric, label), vision=True)) as fake:
        files = run_files(fake.base_url, recipe={"rows": 6, "critique": {"judge_pairs": 6}}, roles=all_roles())
        ended = files.run()
        assert ended.code == 0, ended.err
        assert "The judge votes: balanced accuracy" in ended.err
        assert calibration(files)["votes"]
        judged = [r for r in fake.requests if opening_of(r.body).startswith("You check")]
        asked = len(fake.requests)
        files.run()
        assert len(fake.requests) == asked, "the judge was measured again"
    assert len(judged) >= 6 + 6, "the judge voted on no row of the run"
    spent = files.query("SELECT min(judge_prompt_tokens) FROM sample WHERE verdict = 'accepted'")
    assert spent[0][0] > 0


def cut_edges(files, *starts):
    """Remove every edge whose line begins or ends like one of ``starts``."""
    edges = files.pack / "graph" / "edges.csv"
    kept = [line for line in edges.read_text().splitlines() if not any(f",{start}" in f",{line}" for start in starts)]
    edges.write_text("\n".join(kept) + "\n")


def test_walks_go_round_a_dead_end(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 8})
    cut_edges(files, "object_cup,action_", "object_cat,action_")
    ended = files.run()
    assert ended.code == 0, ended.err
    assert files.query("SELECT count(*) FROM sample WHERE error_class = 'dead_end'") == [(0,)]
    labels = {node["label"] for row in files.rows() for node in row["grounding"]["nodes"]}
    assert labels.isdisjoint({"coffee cup", "cat"})


def test_targets_that_no_walk_can_serve_are_refused_by_cell_before_anything_is_spent(run_files, fake):
    files = run_files(fake.base_url)
    cut_edges(files, "action_create", "action_draw", "action_design")
    ended = files.run()
    assert ended.code == 2
    for category in ("image", "template", "icon", "background"):
        assert f"function=generate, category={category}, but no walk" in ended.err
    assert not files.run_dir.exists()
    assert not fake.requests


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_has_enough_leaves_its_open_slots_and_says_so(run_files, workers):
    writer, turns = Writer(), itertools.count()
    with serve_in_thread(FakeEndpoint(vision=True)) as fake:
        # Refusals take a while: workers are told within a second that there is enough, and rounds must be left then.
        refused = replace(Reply.json({"query": "word " * 30}), delay_s=0.3)
        fake.answer = lambda body: writer.answer(body) if next(turns) < 15 else refused
        once = {"max_attempts": 1, "max_regrounds": 0, "judge_pairs": 0}
        recipe = {"rows": 20, "max_rounds": 50, "min_delivered": 0.3, "max_in_flight": 4, "critique": once}
        files = run_files(fake.base_url, recipe=recipe, targets={"route": {"text": 1.0}, "length": {"3-5": 1.0}})
        ended = files.run("generate", "--workers", workers)
        assert ended.code == 0, ended.err
        with LedgerReader(files.run_dir) as reader:
            assert reader.counts().pending == 0, "every slot had its turn"
        assert 6 <= len(files.rows()) <= 15
        assert "min_delivered is 0.3 of 20 rows" in ended.err
        asked = len(generations(fake))
        assert files.run("generate", "--workers", workers).code == 0
        assert len(generations(fake)) == asked, "nothing is asked for again"
        assert files.run("report").code == 0
        files.recipe["min_delivered"] = 1.0
        fake.answer = writer.answer
        assert files.run("generate", "--workers", workers).code == 0
        assert len(files.rows()) == 20
