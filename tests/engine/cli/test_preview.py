import json

import pytest
from fakes.endpoint import FakeEndpoint, serve_in_thread
from fakes.writer import Writer


@pytest.fixture
def fake():
    with serve_in_thread(FakeEndpoint(answer=Writer().answer, vision=True)) as fake:
        yield fake


def test_preview_shows_what_each_node_did_and_keeps_nothing(run_files, fake):
    files = run_files(fake.base_url)
    ended = files.run("preview", "-n", "2")
    assert ended.code == 0, ended.err
    for node in ("route", "walk", "critique"):
        assert node in ended.out
    assert sorted(path.name for path in files.folder.iterdir()) == ["endpoints.yaml", "pack", "recipe.yaml"]


def test_preview_takes_only_slots_of_the_wanted_kind(run_files, fake):
    files = run_files(fake.base_url, recipe={"rows": 60})
    ended = files.run("preview", "-n", "3", "--json", "--route", "vision", "--function", "generate")
    strata = [json.loads(line)["stratum"] for line in ended.out.splitlines()]
    assert len(strata) == 3
    assert {(stratum["route"], stratum["function"]) for stratum in strata} == {("vision", "generate")}


def test_preview_of_what_the_plan_has_not_says_so(run_files, fake):
    ended = run_files(fake.base_url).run("preview", "--route", "heuristic")
    assert "No slot of the plan is like that" in ended.err
    assert ended.out == ""


def test_preview_with_a_dead_endpoint_shows_the_failed_sample(run_files):
    with serve_in_thread(FakeEndpoint()) as gone:
        url = gone.base_url
    ended = run_files(url, {"max_retries": 0, "timeout_s": 1}).run("preview", "-n", "1", "--route", "text")
    assert ended.code == 0, ended.err
    assert "no connection" in ended.out
