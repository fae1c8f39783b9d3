"""Steps as processes: cached, resumed, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import ablation
from fakes.ablation import BASE, DIGESTS, IDENTITY, PROGRAM, Heard, fake_plan, run_fakes

from routenator.engine.ablation.arms import Arm
from routenator.engine.ablation.estimate import FIRST_GUESS_S, START_S, estimate_step
from routenator.engine.ablation.folder import AblationFolder, Record
from routenator.engine.ablation.steps import make_steps
from routenator.engine.errors import InputError, RunError
from routenator.engine.training.settings import TrainSettings

ALL = [
    "untuned evaluate",
    *(f"{arm}/seed-{seed} {kind}" for seed in (1, 2) for arm in ("router", "heuristic-only")
      for kind in ("generate", "train", "evaluate")),
]  # fmt: skip


def wait_for(condition, what):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about")


def start_orchestrator(fakes, **environment):
    return subprocess.Popen(
        [sys.executable, ablation.__file__, str(fakes.out)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_every_step_runs_once_a_seed_at_a_time_and_what_is_done_is_kept(fakes):
    assert run_fakes(fake_plan(fakes.out)).failed == {}
    assert fakes.take_journal() == ALL
    assert run_fakes(fake_plan(fakes.out)).failed == {}
    assert fakes.take_journal() == []


def test_commands_are_those_of_the_command_line_with_the_same_rows_steps_and_seed_for_all_arms(tmp_path):
    steps = make_steps(fake_plan(tmp_path))
    train = next(step for step in steps if step.name == "heuristic-only/seed-2/train")
    cell = tmp_path / "heuristic-only" / "seed-2"
    assert train.command[:3] == (sys.executable, "-m", "routenator")
    assert train.command[3:] == ("train", f"{cell}/train.yaml", "--data", f"{cell}/run", "--out", f"{cell}/model")
    text = train.files[cell / "train.yaml"]
    assert "max_steps: 4\n" in text and "seed: 2\n" in text and "patience: 1000000000\n" in text
    generate = next(step for step in steps if step.name == "heuristic-only/seed-2/generate")
    recipe = generate.files[cell / "recipe.yaml"]
    assert "rows: 8\n" in recipe and "seed: 2\n" in recipe and "heuristic: 1.0" in recipe
    assert "max_rounds: 50\n" in recipe, "a slot is not given up while others go on"
    assert "min_delivered: 1.0\n" in recipe


def test_each_training_learns_from_the_same_number_of_rows_of_the_more_that_are_planned(tmp_path):
    more = (Arm("router", BASE.model_copy(update={"rows": 10})),)
    generate, train = make_steps(fake_plan(tmp_path, arms=more, untuned=False, seeds=(1,)))[:2]
    cell = tmp_path / "router" / "seed-1"
    recipe = generate.files[cell / "recipe.yaml"]
    assert "rows: 10\n" in recipe and "min_delivered: 0.8\n" in recipe
    assert "max_rows: 8\n" in train.files[cell / "train.yaml"]


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"digests": DIGESTS | {"golden set": "another"}}, [n for n in ALL if "evaluate" in n]),
        (
            {"train": TrainSettings(model="base", learning_rate=0.1)},
            [n for n in ALL if "untuned" not in n and "generate" not in n],
        ),
        ({"digests": DIGESTS | {"pack": "another"}}, ALL),
        (
            {"arms": (Arm("router", BASE), Arm("heuristic-only", BASE.model_copy(update={"routes": {"text": 1.0}})))},
            [n for n in ALL if "heuristic" in n],
        ),
        ({"arms": (Arm("router", BASE.model_copy(update={"max_rounds": 9, "max_in_flight": 1})),)}, []),
        (
            {"seeds": (1, 2, 3), "arms": (Arm("router", BASE),)},
            [n.replace("1", "3") for n in ALL if "router/seed-1" in n],
        ),
    ],
    ids=["golden set", "training recipe", "pack", "one arm's routes", "speed and budget", "another seed"],
)
def test_a_changed_input_makes_anew_only_what_depends_on_it(fakes, change, again):
    run_fakes(fake_plan(fakes.out))
    fakes.take_journal()
    run_fakes(fake_plan(fakes.out, **change))
    assert fakes.take_journal() == again


def test_the_folder_of_changed_inputs_is_made_anew_and_of_the_same_inputs_gone_on_with(fakes, monkeypatch):
    stale = fakes.out / "untuned" / "evaluation" / "stale"
    plan = fake_plan(fakes.out, arms=())
    monkeypatch.setenv("FAKE_FAIL", "untuned")
    run_fakes(plan)
    stale.touch()
    run_fakes(plan)
    assert stale.exists()
    run_fakes(replace(plan, digests=DIGESTS | {"golden set": "another"}))
    assert not stale.exists()


def test_a_step_that_fails_holds_up_only_those_that_need_it_and_says_what_its_log_says(fakes, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "router/seed-1 train")
    outcome = run_fakes(fake_plan(fakes.out))
    assert list(outcome.failed) == ["router/seed-1/train"]
    assert outcome.failed["router/seed-1/train"].startswith(
        "fake router/seed-1 train\nthe server is on fire\n(exit code 3"
    )
    assert outcome.waiting == ["router/seed-1/evaluate"]
    assert fakes.take_journal() == [name for name in ALL if name != "router/seed-1 evaluate"]
    monkeypatch.delenv("FAKE_FAIL")
    assert run_fakes(fake_plan(fakes.out)).failed == {}
    assert fakes.take_journal() == ["router/seed-1 train", "router/seed-1 evaluate"]


def test_a_result_that_has_been_lost_is_made_again(fakes):
    run_fakes(fake_plan(fakes.out))
    (fakes.out / "router" / "seed-1" / "evaluation" / "results.json").unlink()
    fakes.take_journal()
    run_fakes(fake_plan(fakes.out))
    assert fakes.take_journal() == ["router/seed-1 evaluate"]


def test_ctrl_c_goes_to_the_step_which_is_waited_for_and_gone_on_with(fakes):
    half = fakes.out / "router" / "seed-1" / "model" / "half-done"
    with start_orchestrator(fakes, FAKE_SLOW="router/seed-1 train") as process:
        wait_for(half.exists, "the slow step")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "stopping\n")
    assert half.with_name("stopped").exists()
    assert fakes.take_journal() == ALL[:3]
    assert run_fakes(fake_plan(fakes.out)).failed == {}
    assert fakes.take_journal() == ALL[2:]
    assert half.exists(), "the step goes on in the folder that it had begun"


def test_after_kill_9_the_orphan_is_waited_for_and_everything_goes_on(fakes):
    half = fakes.out / "router" / "seed-1" / "model" / "half-done"
    with start_orchestrator(fakes, FAKE_SLOW="router/seed-1 train") as killed:
        wait_for(half.exists, "the slow step")
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    with start_orchestrator(fakes) as second:
        assert second.stdout is not None
        assert "waiting for its end" in second.stdout.readline()
        assert fakes.take_journal() == ALL[:3], "nothing begins while the orphan works"
        fakes.go.touch()
        second.communicate(timeout=60)
    assert second.returncode == 0
    assert fakes.take_journal() == ALL[2:]
    assert half.exists()
    state = json.loads((fakes.out / "ablation.json").read_bytes())
    assert state["steps"]["router/seed-1/train"]["starts"] == 2


def test_two_at_a_time_are_refused(fakes):
    with start_orchestrator(fakes, FAKE_SLOW="untuned") as first:
        wait_for((fakes.out / "untuned" / "evaluation" / "half-done").exists, "the slow step")
        with pytest.raises(RunError, match=f"process {first.pid} works on"):
            run_fakes(fake_plan(fakes.out))
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)


def test_a_folder_of_another_ablation_or_of_something_else_is_refused(fakes, tmp_path):
    run_fakes(fake_plan(fakes.out, arms=()))
    with pytest.raises(InputError, match="holds another ablation \\(pack tiny\\)"):
        AblationFolder.read(fakes.out, IDENTITY | {"pack": "design"})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds something else than an ablation"):
        run_fakes(fake_plan(tmp_path / "other"))
    with pytest.raises(InputError, match="holds no ablation"):
        AblationFolder.read(tmp_path / "nothing", IDENTITY)


def test_time_is_guessed_first_and_then_taken_from_steps_that_ended_in_one_go():
    steps = make_steps(fake_plan(Path("out")), PROGRAM)
    by_name = {step.name: step for step in steps}
    step = by_name["router/seed-2/generate"]
    guess = estimate_step(step, steps, {})
    assert (guess.seconds, guess.measured) == (START_S + 8 * FIRST_GUESS_S["generate"], False)
    records = {"heuristic-only/seed-1/generate": Record({}, 4, 2.0, 1, True)}
    assert estimate_step(step, steps, records) == guess, "rows of a grammar say nothing of those of a model"
    assert estimate_step(by_name["heuristic-only/seed-2/generate"], steps, records).seconds == 4.0
    train = {"heuristic-only/seed-1/train": Record({}, 4, 2.0, 1, True)}
    assert estimate_step(by_name["router/seed-1/train"], steps, train).seconds == 2.0
    records |= {"router/seed-1/generate": Record({}, 8, 40.0, 1, True)}
    assert estimate_step(step, steps, records).seconds == 40.0
    records |= {"router/seed-1/generate": Record({}, 8, 1.0, 2, True)}
    assert estimate_step(step, steps, records) == guess


def test_the_listener_hears_of_each_step(fakes):
    heard = Heard()
    run_fakes(fake_plan(fakes.out, arms=fake_plan(fakes.out).arms[:1], seeds=(1,)), heard)
    assert heard.begun == ["untuned/evaluate", *(f"router/seed-1/{kind}" for kind in ("generate", "train", "evaluate"))]
    assert heard.ended == [(name, None) for name in heard.begun]
    assert heard.expected_s[0] == START_S + 10 * FIRST_GUESS_S["evaluate"]
    assert heard.expected_s[3] < START_S, "measured on the base model by now"
