"""``routenator check-endpoints``: is every role's endpoint there, and what can it do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, out, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from routenator.engine.cli.inputs import RunInputs
    from routenator.engine.config import EndpointsFile, Role
    from routenator.engine.llm.checking import RoleCheck
    from routenator.engine.llm.pool import LlmPool
    from routenator.engine.validation.calibration import Calibration


def check_endpoints(
    endpoints: Annotated[Path | None, typer.Option(help="The endpoints file.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe, or a shipped one's name; its endpoints file is checked.")
    ] = None,
    pack: Annotated[
        str | None, typer.Option(help="Beside --endpoints: the pack on whose known pairs the judge is measured.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge/--no-judge", help="Whether the judge is measured, if there is a pack to do it on.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON in place of the table.")] = False,
) -> None:
    """Ask every role's endpoint whether it is there and what it can do.

    For each role: reachable replicas, the model, how structured output works, whether it sees, latency, tokens/s, and
    what is wrong with the way to mend it. With a recipe or a pack the judge is measured on known pairs: balanced
    accuracy, and whether that earns it a vote. Exit code 1 if a role that the file names cannot be played.

    Example: routenator check-endpoints --recipe demo
    """
    import asyncio

    if (endpoints is None) == (recipe is None):
        raise typer.BadParameter(
            "name an endpoints file or a recipe, one of the two", param_hint="--endpoints, --recipe"
        )
    if recipe is not None and pack is not None:
        raise typer.BadParameter("a recipe names its own pack", param_hint="--pack")
    file, inputs = _load(endpoints, recipe, pack, judge)
    checks, calibration = asyncio.run(_check(file, inputs))
    broken = [check for check in checks.values() if check.endpoint is not None and not check.works]
    if as_json:
        print_json({"ok": not broken, "roles": {role: as_record(check) for role, check in checks.items()}})
    else:
        out.print(as_table(checks))
        for check in checks.values():
            for problem in check.problems:
                say(f"{check.role}: {problem.what}. {problem.fix}.", style="red" if problem.fatal else "yellow")
        if calibration is not None:
            from routenator.engine.cli.services import judge_notice

            say(judge_notice(calibration))
    if broken:
        raise typer.Exit(EXIT_INCOMPLETE)


def _load(
    endpoints: Path | None, recipe: str | None, pack: str | None, judge: bool
) -> tuple[EndpointsFile, RunInputs | None]:
    """The endpoints file, and what the judge is measured on, if it is to be and some endpoint plays it."""
    from routenator.engine.cli.inputs import assemble_inputs, load_inputs
    from routenator.engine.cli.shipped import find_recipe
    from routenator.engine.config import Recipe, load_endpoints, load_recipe

    if recipe is not None:
        path = find_recipe(recipe)
        file = load_endpoints(path.parent / load_recipe(path).endpoints)
        is_wanted = judge and file.endpoint_of("judge") is not None
        return file, load_inputs(path, {}) if is_wanted else None
    assert endpoints is not None
    file = load_endpoints(endpoints)
    if pack is None or not judge or file.endpoint_of("judge") is None:
        return file, None
    return file, assemble_inputs(Recipe(pack=pack, rows=1, endpoints=str(endpoints)), file)


async def _check(
    endpoints: EndpointsFile, inputs: RunInputs | None
) -> tuple[dict[Role, RoleCheck], Calibration | None]:
    """Check with the embedded endpoints started, for as long as it takes."""
    from dataclasses import replace

    from routenator.engine.cli.services import open_pool
    from routenator.engine.llm.checking import check_roles

    async with open_pool(endpoints) as pool:
        checks = await check_roles(pool)
        if inputs is None or not checks["judge"].works:
            return checks, None
        calibration = await _measure_judge(inputs, pool)
        if calibration is None:
            return checks, None
    accuracy = None if calibration.error else round(calibration.balanced_accuracy, 2)
    found = {"judge_accuracy": accuracy, "judge_votes": calibration.votes}
    return {**checks, "judge": replace(checks["judge"], extra=found)}, calibration


async def _measure_judge(inputs: RunInputs, pool: LlmPool) -> Calibration | None:
    """How well the judge tells the pack's known-good pairs from its known-bad ones; ``None`` where it has none."""
    import asyncio

    from routenator.engine.cli.services import draw_pairs, make_judge
    from routenator.engine.kg.store import build_graph, load_adjacency
    from routenator.engine.kg.walker import Walker
    from routenator.engine.llm.embedded_models import cache_folder
    from routenator.engine.validation.calibration import measure_judge

    graph = await asyncio.to_thread(build_graph, inputs.pack, cache_folder() / "graphs")
    pairs = draw_pairs(inputs, Walker(load_adjacency(graph), inputs.pack.spec.walk))
    if not pairs:
        return None
    say(f"Measuring the judge on up to {len(pairs)} known pairs of the pack {inputs.pack.spec.name} ...")
    judge = make_judge(pool, inputs.pack, inputs.prompts)
    return await measure_judge(judge, pairs, inputs.recipe.critique.judge_threshold)


def as_record(check: RoleCheck) -> dict[str, Any]:
    """The check as JSON, with ``extra`` among the other columns."""
    from dataclasses import asdict

    record = asdict(check)
    return {**record, **record.pop("extra"), "works": check.works}


def as_table(checks: dict[Role, RoleCheck]) -> Table:
    """A role's endpoint and model, and below them what they can do: in columns, 80 characters would fold them.

    What ``extra`` holds is said below the table.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from routenator.engine.display import show_line

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("role", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("endpoint", overflow="fold")
    for check in checks.values():
        if check.endpoint is None:
            table.add_row(check.role, "", "none")
            continue
        told = Text(show_line(check.endpoint)).append(f": {show_line(check.model or '')}\n")
        table.add_row(check.role, _state(check), told.append(", ".join(_abilities(check)), style="dim"))
    return table


def _abilities(check: RoleCheck) -> list[str]:
    """What was found out, as far as it was."""
    reachable, replicas = check.reachable
    found = [f"{reachable}/{replicas} replicas"]
    if check.structured_output is not None:
        found.append(check.structured_output)
    if check.vision is not None:
        found.append("vision" if check.vision else "no vision")
    if check.latency_ms is not None:
        found.append(f"{check.latency_ms:.0f} ms")
    if check.tokens_per_s is not None:
        found.append(f"{check.tokens_per_s:.0f} tokens/s")
    return found


def _state(check: RoleCheck) -> str:
    if not check.works:
        return "BROKEN"
    return "impaired" if check.problems else "ok"
