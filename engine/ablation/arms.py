"""The arms of an ablation as generation recipes, without those that would be another one's twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from routenator.engine.ablation.settings import BASELINE, WITHOUT_VISION, ArmSettings
from routenator.engine.config import Recipe
from routenator.engine.errors import ConfigError, Fault

SHARED_KEYS = ("pack", "rows", "seed", "endpoints")
"""Keys of the generation recipe that all arms have in common."""

Shares = Mapping[str, float]
"""Route → share."""


@dataclass(frozen=True)
class Arm:
    """One way to make the training data; ``recipe`` has the rows of the ablation and the seed of the base recipe."""

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Population:
    """What the arms' routes depend on.

    Attributes:
        routes: The pack's shares.
        without_vision: The same after the vision routes are taken out; empty where some cells have no other.
        sees: Whether an endpoint plays the role vision and is not known to be blind.
    """

    routes: Shares
    without_vision: Shares
    sees: bool

    def settle(self, recipe: Recipe) -> dict[str, float]:
        """The shares that ``recipe`` will have, adding up to 1."""
        shares: Shares = self.routes if self.sees else self.without_vision
        if recipe.routes:
            shares = {str(route): share for route, share in recipe.routes.items()}
        kept = {route: share for route, share in shares.items() if share > 0 and (self.sees or route != "vision")}
        total = sum(kept.values())
        return {route: round(share / total, 9) for route, share in sorted(kept.items())}


def resolve_arms(
    arms: Sequence[ArmSettings], base: Recipe, population: Population, file: str
) -> tuple[tuple[Arm, ...], dict[str, str]]:
    """Each arm's generation recipe.

    Args:
        arms: As configured.
        base: The generation recipe, with the ablation's rows and with absolute paths.
        population: The pack's routes, and whether an endpoint sees.
        file: The ablation's recipe, for messages.

    Returns:
        The arms in their order, and for those that are left out: name → why.

    Raises:
        ConfigError: With every fault of every arm's overrides.
    """
    faults: list[Fault] = []
    found: dict[str, Arm] = {}
    for settings in arms:
        overrides = settings.overrides
        if overrides is None:
            if settings.name == WITHOUT_VISION and not population.without_vision:
                what = "without vision some cells of the pack's targets have no route left"
                faults.append(Fault(file, what, f"Leave {WITHOUT_VISION} out of `arms`", field="arms"))
                continue
            overrides = _built_in_overrides(settings.name, population)
        recipe = _apply(base, settings.name, overrides, file, faults)
        if recipe is None:
            continue
        if not (shares := population.settle(recipe)):
            fault = Fault(
                file,
                f"arm {settings.name} has the vision route alone, and no endpoint sees",
                "Name one that plays vision",
                field="recipe",
            )
            faults.append(fault)
        elif recipe.on_missing_vision == "fail" and not population.sees and _wants_vision(recipe, population):
            what = f"arm {settings.name} has vision routes, and no endpoint sees ({', '.join(shares)} are left)"
            fix = "Name an endpoint that plays vision, or set `on_missing_vision: redistribute` in the recipe"
            faults.append(Fault(file, what, fix, field="recipe"))
        found[settings.name] = Arm(settings.name, recipe)
    if faults:
        raise ConfigError(faults)
    return _without_twins(found, population)


def _wants_vision(recipe: Recipe, population: Population) -> bool:
    return "vision" in (recipe.routes or population.routes)


def _built_in_overrides(name: str, population: Population) -> dict[str, Any]:
    match name:
        case "heuristic-only":
            return {"routes": {"heuristic": 100}}
        case "single-prompt-only":
            return {"routes": {"text": 100}, "prompts": ["text/plain"]}
        case _ if name == WITHOUT_VISION:
            return {"routes": dict(population.without_vision)}
        case "router-without-critique":
            return {"critique": {"enabled": False}}
        case _:
            return {}


def _apply(base: Recipe, name: str, overrides: Mapping[str, Any], file: str, faults: list[Fault]) -> Recipe | None:
    where = f"arms.{name}.overrides"
    shared = [key for key in overrides if key in SHARED_KEYS]
    faults += [
        Fault(file, "is the same for all arms", "Set it for the whole ablation", field=f"{where}.{key}")
        for key in shared
    ]
    values = base.model_dump(mode="json")
    for key, value in overrides.items():
        both = isinstance(value, dict) and isinstance(values.get(key), dict) and key != "routes"
        values[key] = values[key] | value if both else value
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as exc:
        for item in exc.errors():
            field = ".".join([where, *map(str, item["loc"])])
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            faults.append(Fault(file, message, "Correct it (docs/running.md has the keys)", field=field))
        return None
    return None if shared else recipe


def _without_twins(found: Mapping[str, Arm], population: Population) -> tuple[tuple[Arm, ...], dict[str, str]]:
    """Leave out an arm whose rows would be made in the same way as another's; the baseline stays in any case."""
    seen: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name in sorted(found, key=lambda name: name != BASELINE):
        recipe = found[name].recipe
        shares = population.settle(recipe)
        values = recipe.model_dump(mode="json") | {"routes": shares, "on_missing_vision": None}
        twin = seen.setdefault(repr(sorted(values.items())), name)
        if twin != name:
            has_vision = population.routes.get("vision", 0) > 0
            blind = "no endpoint sees" if has_vision else "the pack has no vision routes"
            why = f" ({blind})" if "vision" not in shares and "vision" in name else ""
            skipped[name] = f"its rows would be those of {twin}{why}"
    return tuple(arm for name, arm in found.items() if name not in skipped), skipped
