"""``routenator preview``: a few samples with their traces, nothing kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import out, print_json, say

if TYPE_CHECKING:
    from routenator.engine.cli.inputs import RunInputs
    from routenator.engine.sample import SampleRecord


def preview(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe such as demo.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, max=100, help="How many samples.")] = 3,
    route: Annotated[str | None, typer.Option(help="Only slots of this route: heuristic, text or vision.")] = None,
    function: Annotated[str | None, typer.Option(help="Only slots of this function.")] = None,
    category: Annotated[str | None, typer.Option(help="Only slots of this category.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The run's seed, in place of the recipe's.")
    ] = None,
    endpoints: Annotated[Path | None, typer.Option(help="Another endpoints file.", dir_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a sample.")] = False,
) -> None:
    """Make a few samples and show what each node did; nothing is kept, and the judge is not measured.

    Example: routenator preview demo -n 2 --route text
    """
    import orjson

    from routenator.engine.cli.event_loop import run_async
    from routenator.engine.cli.inputs import load_inputs
    from routenator.engine.cli.shipped import find_recipe
    from routenator.engine.traces.formatting import format_trace

    overrides = {"seed": seed, "endpoints": None if endpoints is None else str(endpoints.resolve())}
    inputs = load_inputs(find_recipe(recipe), overrides)
    records = run_async(_run_samples(inputs, samples, {"route": route, "function": function, "category": category}))
    if not records:
        say("No slot of the plan is like that.", style="yellow")
    for record in records:
        trace = orjson.loads(orjson.dumps(record, default=str))
        if as_json:
            print_json(trace)
        else:
            out.print(format_trace({**trace, "trace_id": record.key.trace_id, "duplicate_of": None}))


async def _run_samples(inputs: RunInputs, count: int, wanted: dict[str, str | None]) -> list[SampleRecord]:
    import asyncio
    import itertools

    from routenator.engine.cli.services import Knowledge, make_runner, open_pool
    from routenator.engine.datasets.run_meta import RunMeta
    from routenator.engine.routing.plan import Plan
    from routenator.engine.sample import SampleKey
    from routenator.engine.traces.recording import SpanRecorder

    plan = Plan(inputs.tables, inputs.recipe.rows, inputs.recipe.seed)
    fitting = (
        SampleKey(slot)
        for slot in range(inputs.recipe.rows)
        if all(value is None or getattr(plan.stratum(slot), axis) == value for axis, value in wanted.items())
    )
    keys = list(itertools.islice(fitting, count))
    async with open_pool(inputs.endpoints) as pool:
        knowledge = await asyncio.to_thread(Knowledge.load, inputs, say)
        runner = make_runner(inputs, knowledge, pool, RunMeta.from_pack(inputs.pack, plan))
        return list(await asyncio.gather(*(runner(key, SpanRecorder()) for key in keys)))
