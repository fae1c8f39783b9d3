"""The judge's figure in check-endpoints: measured on a pack's known pairs, by whoever plays the judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from fakes.endpoint import FakeEndpoint, Reply, plain_answer, serve_in_thread
from typer.testing import CliRunner

from routenator.engine.cli.check_endpoints import check_endpoints
from routenator.engine.errors import DomainError

TINY = Path(__file__).parents[2] / "packs" / "tiny"
Answer = Callable[[dict[str, Any]], Reply]


def agree(body: dict[str, Any]) -> Reply:
    """A judge that says the same of everything."""
    properties = body.get("response_format", {}).get("json_schema", {}).get("schema", {}).get("properties", {})
    if "function" in properties:
        return Reply.json({"function": "search", "category": "image"})
    if "naturalness" in properties:
        return Reply.json({"reason": "fine", "naturalness": 5, "grounding": 5, "label": 5})
    return plain_answer(body)


def die_as_judge(body: dict[str, Any]) -> Reply:
    return (
        Reply.status(400, "no judgement today")
        if "function" in json.dumps(body.get("response_format"))
        else (plain_answer(body))
    )


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Result, FakeEndpoint]]:
    """Run the command against a fake that plays ``text`` and ``judge``; a recipe over the tiny pack stands beside."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    app = typer.Typer()
    app.command()(check_endpoints)

    def run(*options: str, answer: Answer = agree, roles: str = "text: one, judge: one") -> tuple[Result, FakeEndpoint]:
        with serve_in_thread(FakeEndpoint(answer=answer)) as fake:
            (tmp_path / "endpoints.yaml").write_text(
                f"endpoints:\n  one: {{base_url: '{fake.base_url}', model: fake, max_retries: 0}}\nroles: {{{roles}}}\n"
            )
            (tmp_path / "recipe.yaml").write_text(
                f"pack: {TINY}\nrows: 10\nendpoints: endpoints.yaml\ncritique: {{judge_pairs: 4}}\n"
            )
            placed = [option.replace("HERE", str(tmp_path)) for option in options]
            return CliRunner().invoke(app, placed), fake

    return run


Check = Callable[..., tuple[Result, FakeEndpoint]]


@pytest.mark.parametrize(
    "options",
    [("--recipe", "HERE/recipe.yaml"), ("--endpoints", "HERE/endpoints.yaml", "--pack", str(TINY))],
    ids=["recipe", "pack"],
)
def test_judge_that_agrees_with_everything_is_at_chance_and_has_no_vote(check: Check, options: tuple[str, ...]) -> None:
    result, fake = check(*options, "--json")
    assert result.exit_code == 0
    judge = json.loads(result.stdout)["roles"]["judge"]
    assert judge["works"]
    assert judge["judge_votes"] is False
    assert 0.3 <= judge["judge_accuracy"] <= 0.7
    assert "Measuring the judge" in result.stderr
    assert "judge_votes" not in json.loads(result.stdout)["roles"]["text"]
    assert len(fake.requests) > 12


def test_notice_below_the_table_says_the_figure_and_what_follows(check: Check) -> None:
    result, _ = check("--recipe", "HERE/recipe.yaml")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "The judge has no vote: balanced accuracy" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "roles"),
    [
        (("--recipe", "HERE/recipe.yaml", "--no-judge"), "text: one, judge: one"),
        (("--recipe", "HERE/recipe.yaml"), "text: one"),
        (("--endpoints", "HERE/endpoints.yaml"), "text: one, judge: one"),
    ],
    ids=["switched off", "no judge", "no pack"],
)
def test_judge_is_not_measured(check: Check, options: tuple[str, ...], roles: str) -> None:
    result, fake = check(*options, "--json", roles=roles)
    assert result.exit_code == 0
    assert "judge_votes" not in result.stdout
    assert "Measuring" not in result.stderr
    assert not any("naturalness" in json.dumps(request.body) for request in fake.requests)


def test_judge_that_cannot_be_measured_is_said_and_breaks_nothing(check: Check) -> None:
    result, _ = check("--recipe", "HERE/recipe.yaml", "--json", answer=die_as_judge)
    judge = json.loads(result.stdout)["roles"]["judge"]
    assert result.exit_code == 0
    assert (judge["judge_accuracy"], judge["judge_votes"]) == (None, False)


def test_pack_that_is_not_there_is_found_before_anything_is_asked(check: Check) -> None:
    result, fake = check("--endpoints", "HERE/endpoints.yaml", "--pack", "no-such-pack")
    assert isinstance(result.exception, DomainError)
    assert not fake.requests


def test_pack_beside_a_recipe_is_a_usage_error(check: Check) -> None:
    assert check("--recipe", "HERE/recipe.yaml", "--pack", "design")[0].exit_code == 2
