"""What the user configures about an ablation: one YAML file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from routenator.engine.config import Strict
from routenator.engine.errors import ConfigError
from routenator.engine.yaml_source import load_yaml, validate_yaml

BASELINE = "router"
"""The arm that all others are compared with."""
UNTUNED = "untuned"
"""The line of the base model as it is; not an arm."""
WITHOUT_VISION = "router-without-vision"
BUILT_IN_ARMS = (
    "heuristic-only",
    "single-prompt-only",
    BASELINE,
    WITHOUT_VISION,
    "router-without-critique",
)
"""The rows of the paper's Table 3 and of its "next checks"."""


class ArmSettings(Strict):
    """One way to make the training data. A name alone stands for one of `BUILT_IN_ARMS`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    """Its name in the table, and its folder's."""
    overrides: dict[str, Any] | None = None
    """Keys of the generation recipe in place of its own, such as ``routes`` or ``critique``."""


class AblationRecipe(Strict):
    """An ablation. Paths are relative to the recipe's folder."""

    recipe: str
    """The generation recipe: a file, or a shipped one's name."""
    train: str
    """The training recipe: a file, or a shipped one's name."""
    golden: str | None = None
    """The golden set; ``None``: it is given on the command line."""
    rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Accepted rows that each training learns from, the same number for every arm and seed."""
    min_delivered: Annotated[float, Field(gt=0, le=1)] = 0.97
    """Share of its slots that an arm must fill. So many more slots than ``rows`` are planned that this share of them is
    ``rows``: the last slots of a slow model take as long as all the others."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)]
    """A generation and a training for each, with this number as the seed of both."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps of each training; ``None``: what the training recipe's epochs are for ``rows`` rows."""
    arms: Annotated[tuple[ArmSettings, ...], Field(min_length=1)] = tuple(ArmSettings(name=n) for n in BUILT_IN_ARMS)
    untuned: bool = True
    """Measure the base model as it is, too."""
    untuned_tools: Literal["schemas", "signatures"] = "schemas"
    """How the untuned model is told of the functions; the schemas of many cost a small machine hours."""

    @property
    def slots(self) -> int:
        """Rows that each generation plans."""
        return math.ceil(round(self.rows / self.min_delivered, 6))

    @field_validator("arms", mode="before")
    @classmethod
    def _names_stand_for_arms(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return [{"name": item} if isinstance(item, str) else item for item in value]

    @field_validator("arms")
    @classmethod
    def _arms_are_known(cls, arms: tuple[ArmSettings, ...]) -> tuple[ArmSettings, ...]:
        names = [arm.name for arm in arms]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} stands here twice")
        if UNTUNED in names:
            raise ValueError(f"{UNTUNED} is no arm; say `untuned: true`")
        unknown = [arm.name for arm in arms if arm.overrides is None and arm.name not in BUILT_IN_ARMS]
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)} is no arm that we know ({', '.join(BUILT_IN_ARMS)}); "
                "one of your own has `name` and `overrides`"
            )
        return arms

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands here twice")
        return seeds


def load_ablation(path: Path) -> AblationRecipe:
    """Read an ablation's recipe; raise `ConfigError` with every fault."""
    return validate_yaml(AblationRecipe, load_yaml(path, ConfigError), ConfigError)
