"""The `route` node."""

from __future__ import annotations

from dataclasses import asdict

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.errors import SampleError
from routenator.engine.prompting.library import Prompt
from routenator.engine.sample import SampleKey, Stratum, derive_seed
from routenator.engine.state import SampleState, SampleUpdate


async def route(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Look up the slot's stratum and draw a prompt of its route.

    Reads ``key``; writes ``stratum`` and ``prompt``. Pure: the same run seed, slot and round give the same prompt.

    Raises:
        SampleError: No prompt serves the stratum.

    Source:
        RouteNator (arXiv:2505.10495), section 3.3; quotas instead of draws are ours.
    """
    deps, key = runtime.context, state["key"]
    with state["recorder"].span("route", {"slot": key.slot, "round": key.round}) as span:
        stratum, prompt = draw_prompt(deps, key)
        if prompt is None:
            raise SampleError(
                f"no {stratum.route} prompt serves {stratum}", hint="Add one to the pack's prompts folder"
            )
        span.output = {"stratum": asdict(stratum), "prompt": prompt.name}
    return {"stratum": stratum, "prompt": prompt.name}


def draw_prompt(deps: Deps, key: SampleKey) -> tuple[Stratum, Prompt | None]:
    """The slot's stratum, and the prompt drawn for this round of it."""
    stratum = deps.plan.stratum(key.slot)
    return stratum, deps.prompts.choose(stratum, derive_seed(deps.seed, key.slot, key.round, "route"))
