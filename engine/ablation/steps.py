"""The steps of an ablation: what each runs, what it depends on, and what shows that it is done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from routenator.engine.ablation.arms import Arm
from routenator.engine.ablation.settings import UNTUNED
from routenator.engine.digest import digest_json
from routenator.engine.training.settings import TrainSettings

Kind = Literal["generate", "train", "evaluate"]
UNITS: dict[Kind, str] = {"generate": "row", "train": "optimizer step", "evaluate": "query"}
ROUTENATOR = (sys.executable, "-m", "routenator")
"""The command line of this interpreter."""
NO_EARLY_STOP = 1_000_000_000
"""Looks at the validation loss before training ends early: never, so that all arms make the same steps."""
MAX_ROUNDS = 50
"""Refills of a slot, the most that a recipe may ask for: an arm that is short of rows is not compared."""

_NOT_IDENTITY = ("pack", "endpoints", "max_in_flight", "max_rounds", "min_delivered", "traces")
"""Keys of a generation recipe that leave its rows as they are, or that have a digest of their own."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: ``router/seed-1/train``.
        arm: Whose it is; `UNTUNED` for the base model.
        seed: Of generation and training; ``None`` for the base model.
        kind: Which command.
        command: Program and arguments.
        folder: What it writes into; removed when ``inputs`` have changed.
        result: A file that is there when it is done.
        log: Where its output goes.
        inputs: What its result depends on: name, for people → digest.
        size: Its work, in `UNITS` of its kind.
        needs: Names of the steps whose results it reads.
        files: Written before it runs: path → content.
    """

    name: str
    arm: str
    seed: int | None
    kind: Kind
    command: tuple[str, ...]
    folder: Path
    result: Path
    log: Path
    inputs: Mapping[str, str]
    size: int
    needs: tuple[str, ...] = ()
    files: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AblationPlan:
    """Everything that the steps are made from.

    Attributes:
        out: The ablation's folder, absolute: answers are kept under the path of their model.
        arms: What is compared.
        seeds: A generation and a training for each.
        train: The training recipe; ``max_rows``, ``max_steps`` and ``seed`` are set for each step.
        rows: Accepted rows that each training learns from; the arms' recipes plan as many or more.
        max_steps: Optimizer steps of every training.
        golden: The golden set.
        queries: Its rows.
        pack: Folder of the pack.
        digests: Of what all arms share: ``pack``, ``prompts``, ``endpoints``, ``golden set``.
        untuned: Whether the base model is measured too.
        untuned_tools: How it is told of the functions.
    """

    out: Path
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    train: TrainSettings
    rows: int
    max_steps: int
    golden: Path
    queries: int
    pack: Path
    digests: Mapping[str, str]
    untuned: bool = True
    untuned_tools: str = "schemas"

    def cell(self, arm: str, seed: int) -> Path:
        """Folder of one arm and seed."""
        return self.out / arm / f"seed-{seed}"

    def evaluation(self, arm: str, seed: int | None) -> Path:
        """Folder of an evaluation."""
        return (self.out / arm if seed is None else self.cell(arm, seed)) / "evaluation"


def make_steps(plan: AblationPlan, program: tuple[str, ...] = ROUTENATOR) -> tuple[Step, ...]:
    """All steps, in the order in which they run: a seed for all arms, then the next, so that a comparison is early."""
    steps: list[Step] = []
    if plan.untuned:
        inputs = {"base model": digest_json(plan.train.model), "functions as told": digest_json(plan.untuned_tools)}
        told = ("--tools-in-prompt", plan.untuned_tools)
        steps.append(_evaluate(plan, UNTUNED, None, plan.train.model, inputs, (), program, told))
    for seed in plan.seeds:
        for arm in plan.arms:
            steps += _steps_of(plan, arm, seed, program)
    return tuple(steps)


def _steps_of(plan: AblationPlan, arm: Arm, seed: int, program: tuple[str, ...]) -> Iterator[Step]:
    cell, prefix = plan.cell(arm.name, seed), f"{arm.name}/seed-{seed}"
    shared = {"seed": seed, "max_rounds": MAX_ROUNDS, "min_delivered": plan.rows / arm.recipe.rows}
    recipe = arm.recipe.model_dump(mode="json") | shared
    recipe_file, run = cell / "recipe.yaml", cell / "run"
    generate = Step(
        name=f"{prefix}/generate",
        arm=arm.name,
        seed=seed,
        kind="generate",
        command=(*program, "generate", str(recipe_file), "--out", str(run)),
        folder=run,
        result=run / "dataset" / "dataset.jsonl",
        log=cell / "generate.log",
        inputs={
            "generation recipe": digest_json({key: recipe[key] for key in recipe if key not in _NOT_IDENTITY}),
            **{name: plan.digests[name] for name in ("pack", "prompts", "endpoints")},
        },
        size=arm.recipe.rows,
        files={recipe_file: _to_yaml(recipe, f"routenator generate {recipe_file} --out {run}")},
    )
    yield generate
    budget = {"max_rows": plan.rows, "max_steps": plan.max_steps, "patience": NO_EARLY_STOP}
    settings = plan.train.model_copy(update={"seed": seed, **budget})
    train_file, model = cell / "train.yaml", cell / "model"
    values = settings.model_dump(mode="json")
    train = Step(
        name=f"{prefix}/train",
        arm=arm.name,
        seed=seed,
        kind="train",
        command=(*program, "train", str(train_file), "--data", str(run), "--out", str(model)),
        folder=model,
        result=model / "adapter" / "adapter_config.json",
        log=cell / "train.log",
        inputs={"rows": digest_json(generate.inputs), "training recipe": digest_json(values)},
        size=plan.max_steps,
        needs=(generate.name,),
        files={train_file: _to_yaml(values, f"routenator train {train_file} --data {run} --out {model}")},
    )
    yield train
    inputs = {"model": digest_json(train.inputs)}
    yield _evaluate(plan, arm.name, seed, str(model / "adapter"), inputs, (train.name,), program)


def _evaluate(
    plan: AblationPlan,
    arm: str,
    seed: int | None,
    model: str,
    inputs: Mapping[str, str],
    needs: tuple[str, ...],
    program: tuple[str, ...],
    more: tuple[str, ...] = (),
) -> Step:
    folder = plan.evaluation(arm, seed)
    options = ("--golden", str(plan.golden), "--pack", str(plan.pack), "--out", str(folder), *more)
    return Step(
        name=f"{arm}/evaluate" if seed is None else f"{arm}/seed-{seed}/evaluate",
        arm=arm,
        seed=seed,
        kind="evaluate",
        command=(*program, "evaluate", model, *options),
        folder=folder,
        result=folder / "results.json",
        log=folder.parent / "evaluate.log",
        inputs={**inputs, **{name: plan.digests[name] for name in ("golden set", "pack")}},
        size=plan.queries,
        needs=needs,
    )


def _to_yaml(values: Mapping[str, Any], command: str) -> str:
    return f"# {command}\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)}"
