"""A small ablation whose steps are fakes. Run as a program it is an orchestrator that a test can kill."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from routenator.engine.ablation.arms import Arm
from routenator.engine.ablation.folder import AblationFolder
from routenator.engine.ablation.running import Outcome, run_steps
from routenator.engine.ablation.steps import AblationPlan, Step, make_steps
from routenator.engine.config import Recipe
from routenator.engine.training.settings import TrainSettings

PROGRAM = (sys.executable, "-S", str(Path(__file__).with_name("ablation_program.py")))
IDENTITY = {"name": "fake", "pack": "tiny", "base model": "base"}
DIGESTS = {"pack": "p", "prompts": "q", "endpoints": "e", "golden set": "g"}
BASE = Recipe(pack="tiny", rows=8, endpoints="endpoints.yaml")


def fake_plan(out: Path, **changes: Any) -> AblationPlan:
    """Two arms, two seeds and the base model."""
    arms = (Arm("router", BASE), Arm("heuristic-only", BASE.model_copy(update={"routes": {"heuristic": 1.0}})))
    plan = AblationPlan(
        out.resolve(), arms, (1, 2), TrainSettings(model="base"), 8, 4, Path("golden.jsonl"), 10, Path("tiny"), DIGESTS
    )
    return replace(plan, **changes)


@dataclass
class Heard:
    """A listener that keeps what it was told."""

    begun: list[str] = field(default_factory=list)
    ended: list[tuple[str, str | None]] = field(default_factory=list)
    expected_s: list[float] = field(default_factory=list)
    stops: int = 0

    def begins(self, step: Step, number: int, total: int, expected_s: float, left_s: float) -> None:
        self.begun.append(step.name)
        self.expected_s.append(expected_s)
        assert left_s >= expected_s and 1 <= number <= total

    def works(self, elapsed_s: float) -> None:
        assert elapsed_s >= 0

    def ends(self, step: Step, elapsed_s: float, left_s: float, problem: str | None) -> None:
        self.ended.append((step.name, problem))

    def is_stopped(self) -> None:
        self.stops += 1
        print("stopping", flush=True)


def run_fakes(plan: AblationPlan, heard: Heard | None = None) -> Outcome:
    """Run what is not done."""
    steps = make_steps(plan, PROGRAM)
    with AblationFolder.open(plan.out, IDENTITY, lambda text: print(text, flush=True)) as folder:
        return run_steps(steps, folder, heard or Heard())


if __name__ == "__main__":
    sys.exit(130 if run_fakes(fake_plan(Path(sys.argv[1]))).interrupted else 0)
