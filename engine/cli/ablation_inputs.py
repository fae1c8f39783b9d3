"""Everything that an ablation is made from, loaded and checked before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from routenator.engine.ablation.arms import Arm, Population, resolve_arms
from routenator.engine.ablation.settings import AblationRecipe, load_ablation
from routenator.engine.ablation.steps import AblationPlan
from routenator.engine.cli.inputs import MAY_CHANGE, RunInputs, assemble_inputs, load_inputs
from routenator.engine.cli.shipped import find_recipe
from routenator.engine.cli.train import load_settings
from routenator.engine.config import EndpointsFile
from routenator.engine.digest import digest_json
from routenator.engine.domain.pack import DomainPack
from routenator.engine.errors import ConfigError, Fault, InputError
from routenator.engine.evaluation.golden import GoldenSet, load_golden
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.roles import roles_of, synonyms_of
from routenator.engine.evaluation.scores import Scoring, no_similarity
from routenator.engine.evaluation.similarity import SentenceSimilarity
from routenator.engine.routing.fitting import FittedTable, without_route
from routenator.engine.routing.shares import UnsatisfiableTargets
from routenator.engine.training.trainer import count_steps


@dataclass(frozen=True)
class AblationInputs:
    """An ablation, ready to be planned.

    Attributes:
        plan: What the steps are made from.
        golden: The golden set.
        scoring: By what answers are scored.
        identity: What makes it this ablation, in words.
        skipped: Arm → why it is left out.
        facts: What is compared, for the report.
        embedded: Models that generation starts on this machine.
    """

    plan: AblationPlan
    golden: GoldenSet
    scoring: Scoring
    identity: dict[str, str]
    skipped: dict[str, str]
    facts: dict[str, Any]
    embedded: frozenset[str]


def load_ablation_inputs(path: Path, golden: Path | None, out: Path) -> AblationInputs:
    """Load an ablation's recipe and all that it names.

    Args:
        path: The recipe.
        golden: The golden set of the command line, in place of the recipe's.
        out: The ablation's folder.

    Raises:
        InputError: With the faults of the first kind of file that has any.
        RunError: The sentence model, which SS needs, is not installed.
    """
    settings = load_ablation(path)
    inputs = load_inputs(find_recipe(_near(path, settings.recipe)), {"rows": settings.slots})
    train = load_settings(_near(path, settings.train), {})
    golden_set = load_golden(_golden_file(path, settings, golden))
    arms, skipped = resolve_arms(settings.arms, inputs.recipe, _population(inputs), str(path))
    for arm in arms:
        _check_arm(arm, inputs, str(path))
    learnt = round(settings.rows * (1 - train.held_out_share(settings.rows)))
    max_steps = settings.max_steps or train.max_steps or count_steps(learnt, train)
    identity = inputs.identity()
    plan = AblationPlan(
        out=out.resolve(),
        arms=arms,
        seeds=settings.seeds,
        train=train,
        rows=settings.rows,
        max_steps=max_steps,
        golden=golden_set.path.resolve(),
        queries=len(golden_set.rows),
        pack=inputs.pack.root.resolve(),
        digests={
            "pack": inputs.pack.digest,
            "prompts": identity["prompts_digest"],
            "endpoints": _digest_endpoints(inputs.endpoints),
            "golden set": golden_set.sha256,
        },
        untuned=settings.untuned,
        untuned_tools=settings.untuned_tools,
    )
    name, pack = path.stem, inputs.pack.spec.name
    return AblationInputs(
        plan=plan,
        golden=golden_set,
        scoring=_scoring_of(inputs.pack),
        identity={"name": name, "pack": pack, "base model": train.model},
        skipped=skipped,
        facts={
            "name": name,
            "pack": pack,
            "base model": train.model,
            "rows": settings.rows,
            "optimizer steps": max_steps,
            "seeds": " ".join(map(str, settings.seeds)),
            "golden set": f"{golden_set.path.name} ({golden_set.sha256[:12]})",
        },
        embedded=frozenset(each.model for each in inputs.endpoints.endpoints.values() if each.kind == "embedded"),
    )


def _near(recipe: Path, name: str) -> str:
    """A file relative to the ablation's recipe, or else a shipped recipe's name as it is."""
    beside = recipe.parent / name
    return str(beside) if beside.is_file() else name


def _golden_file(path: Path, settings: AblationRecipe, given: Path | None) -> Path:
    if given is not None:
        return given
    if settings.golden is None:
        fix = "Give --golden FILE, or write it into the recipe"
        raise ConfigError([Fault(str(path), "names no golden set", fix, field="golden")])
    return path.parent / settings.golden


def _population(inputs: RunInputs) -> Population:
    vision = inputs.endpoints.endpoint_of("vision")
    routes = _shares(inputs.tables)
    try:
        without = _shares(without_route(inputs.tables, "vision")) if "vision" in routes else routes
    except UnsatisfiableTargets:
        without = {}
    return Population(routes, without, sees=vision is not None and vision[1].vision is not False)


def _shares(tables: tuple[FittedTable, ...]) -> dict[str, float]:
    found = next(table.marginal("route") for table in tables if "route" in table.axes)
    return {route: share for route, share in found.items() if share > 0}


def _check_arm(arm: Arm, base: RunInputs, file: str) -> None:
    """Whether the arm's routes and prompts serve every stratum; ``file`` is the ablation's recipe."""
    try:
        assemble_inputs(arm.recipe, base.endpoints, base.pack)
    except InputError as exc:
        raise ConfigError([_of_arm(f, arm, file) for f in exc.faults]) from None


def _of_arm(fault: Fault, arm: Arm, file: str) -> Fault:
    # An arm's recipe is no file; what is wrong with a prompt or a table keeps its own.
    where = file if fault.file == "recipe" else fault.file
    return replace(fault, file=where, message=f"arm {arm.name}: {fault.message}")


def _digest_endpoints(endpoints: EndpointsFile) -> str:
    """What of the endpoints the rows depend on: not where and how fast they are asked."""
    free = {key.rpartition(".")[2] for key in MAY_CHANGE if key.startswith("endpoints.")}
    values = endpoints.model_dump(mode="json")
    for endpoint in values["endpoints"].values():
        for key in free:
            endpoint.pop(key)
    return digest_json(values)


def _scoring_of(pack: DomainPack) -> Scoring:
    roles = roles_of(pack)
    tools = [function.tool["function"] for function in pack.functions]
    similarity = SentenceSimilarity() if roles.free_texts else no_similarity
    schemas = {tool["name"]: tool.get("parameters", {}) for tool in tools}
    return Scoring(roles, ValueFolding(synonyms_of(pack)), similarity, schemas)
