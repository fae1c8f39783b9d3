"""The `generate_text` node."""

from __future__ import annotations

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.nodes.completing import attempt_completion
from routenator.engine.state import SampleState, SampleUpdate


async def generate_text(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Ask the text endpoint for a query that expresses the walk.

    Reads ``stratum``, ``grounding``, ``prompt``, ``attempts``; writes ``attempts``, ``tries``, ``failure``. The reasons
    of the previous attempt's critique are in the prompt.

    Source:
        RouteNator (arXiv:2505.10495), section 3.2, text-to-text generation.
    """
    return await attempt_completion(state, runtime.context, "generate_text", "text")
