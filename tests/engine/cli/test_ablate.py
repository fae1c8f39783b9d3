"""The command's messages, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from fakes.ablation import IDENTITY, PROGRAM, fake_plan, run_fakes
from rich.console import Console
from typer.testing import CliRunner

from routenator.engine.ablation.folder import AblationFolder
from routenator.engine.ablation.steps import make_steps
from routenator.engine.cli.ablate import ablate, plan_table
from routenator.engine.cli.ablation_inputs import load_ablation_inputs
from routenator.engine.cli.shipped import find_ablation
from routenator.engine.embedding.sentences import SentenceModel
from routenator.engine.errors import ConfigError, InputError, RunError

GOLDEN = {"id": "1", "query": "an icon", "function": "search", "args": {"content_type": "icon", "prompt": "an icon"}}


def needs_sentences() -> None:
    try:
        SentenceModel.load()
    except RunError:
        pytest.skip("the sentence model's package is not installed")


@pytest.fixture
def recipe(run_files, tmp_path: Path) -> Path:
    """An ablation of the tiny pack, against an endpoint that nobody serves."""
    run_files("http://127.0.0.1:9/v1").write()
    (tmp_path / "golden.jsonl").write_text(json.dumps(GOLDEN))
    (tmp_path / "train.yaml").write_text("model: base\nbatch_size: 4\nepochs: 3\nvalidation_share: 0.2\n")
    path = tmp_path / "ablation.yaml"
    path.write_text("recipe: recipe.yaml\ntrain: train.yaml\ngolden: golden.jsonl\nrows: 20\nseeds: [1, 2]\n")
    return path


def test_shipped_ablation_is_found_by_name_and_begins_with_its_command():
    assert find_ablation("design-cpu").read_text("utf-8").startswith("# routenator ablate design-cpu ")
    with pytest.raises(ConfigError, match=r"no such ablation recipe.*design-cpu"):
        find_ablation("nothing")


def test_shipped_ablation_loads_and_every_arm_can_serve_its_strata(tmp_path):
    needs_sentences()
    (tmp_path / "golden.jsonl").write_text(json.dumps(GOLDEN))
    inputs = load_ablation_inputs(find_ablation("design-cpu"), tmp_path / "golden.jsonl", tmp_path / "out")
    kept = ["heuristic-only", "single-prompt-only", "router", "router-without-critique"]
    assert [arm.name for arm in inputs.plan.arms] == kept
    assert list(inputs.skipped) == ["router-without-vision"]


def test_every_arm_is_loaded_with_the_same_rows_and_steps(recipe, tmp_path):
    needs_sentences()
    inputs = load_ablation_inputs(recipe, None, tmp_path / "out")
    assert [arm.recipe.rows for arm in inputs.plan.arms] == [21] * 5, "97 % of them are the 20 rows"
    assert inputs.plan.rows == 20
    assert inputs.plan.max_steps == 12, "16 rows to learn in batches of 4, three times"
    assert inputs.skipped == {}
    assert inputs.identity["base model"] == "base"
    again = load_ablation_inputs(recipe, None, tmp_path / "out")
    assert make_steps(again.plan) == make_steps(inputs.plan)


def test_where_and_how_fast_an_endpoint_is_asked_changes_nothing(recipe, tmp_path):
    needs_sentences()
    recipe.write_text(recipe.read_text() + "arms: [router]\n")
    before = load_ablation_inputs(recipe, None, tmp_path / "out").plan.digests
    endpoints = tmp_path / "endpoints.yaml"
    endpoints.write_text(endpoints.read_text().replace("127.0.0.1:9", "127.0.0.1:10"))
    assert load_ablation_inputs(recipe, None, tmp_path / "out").plan.digests == before
    endpoints.write_text(endpoints.read_text().replace("model: fake", "model: other"))
    assert load_ablation_inputs(recipe, None, tmp_path / "out").plan.digests != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("golden.jsonl", "nowhere.jsonl", "nowhere.jsonl.*cannot be read"),
        ("golden: golden.jsonl\n", "", "names no golden set"),
        ("train.yaml", "nowhere", "no such training recipe"),
        ("recipe: recipe.yaml", "recipe: nowhere", "no such recipe"),
        ("rows: 20", "rows: 20\narms: [rooter]", "rooter is no arm"),
        (
            "rows: 20",
            "rows: 20\narms: [{name: own, overrides: {prompts: [text/none]}}]",
            "arm own.*no prompt 'text/none'",
        ),
    ],
)
def test_bad_input_is_one_clear_message(recipe, tmp_path, old, new, said):
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(InputError, match=said) as caught:
        load_ablation_inputs(recipe, None, tmp_path / "out")
    assert len(caught.value.faults) == 1


def test_report_only_of_nothing_says_so(recipe, tmp_path):
    needs_sentences()
    recipe.write_text(recipe.read_text() + "arms: [router]\n")
    app = typer.Typer()
    app.command()(ablate)
    found = CliRunner().invoke(app, [str(recipe), "--out", str(tmp_path / "none"), "--report-only"])
    assert isinstance(found.exception, InputError) and "holds no ablation" in str(found.exception)


def test_the_plan_says_what_is_done_what_is_to_do_and_why_again(tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setenv("FAKE_ROOT", str(out.resolve()))
    monkeypatch.setenv("FAKE_JOURNAL", str(tmp_path / "journal"))
    plan = fake_plan(out, arms=fake_plan(out).arms[:1], seeds=(1,))
    run_fakes(plan)
    changed = fake_plan(out, arms=plan.arms, digests={**plan.digests, "golden set": "another"})
    steps = make_steps(changed, PROGRAM)
    table = plan_table(steps, AblationFolder.read(out, IDENTITY), {"router/seed-2/train": 180.0})
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table)
    shown = [line.split("  ") for line in capture.get().splitlines()]
    router = [cell.strip() for cell in next(line for line in shown if line[0] == "router") if cell.strip()]
    assert router == [
        "router",
        "1 done, 1 to do",
        "1 done, 1 to do",
        "1 again (golden set changed), 1 to do",
        "3 min",
    ]
