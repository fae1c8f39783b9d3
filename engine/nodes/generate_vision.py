"""The `generate_vision` node."""

from __future__ import annotations

import asyncio

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.domain.images import load_image_data_url
from routenator.engine.errors import ImageError
from routenator.engine.nodes.attempting import next_task
from routenator.engine.nodes.completing import attempt_completion
from routenator.engine.sample import Attempt
from routenator.engine.state import SampleState, SampleUpdate


async def generate_vision(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Show the content's image to the vision endpoint and ask for a query about what is to be seen.

    Reads ``stratum``, ``grounding``, ``prompt``, ``attempts``; writes ``attempts``, ``tries``, ``failure``. The image
    goes out as a ``data:`` URI after it was decoded under a pixel limit; the trace keeps its path and hash.

    Source:
        RouteNator (arXiv:2505.10495), section 3.2, vision-to-text generation.
    """
    deps, grounding = runtime.context, state["grounding"]
    assert grounding is not None and grounding.content is not None and grounding.content.image is not None
    path = grounding.content.image
    try:
        image = await asyncio.to_thread(load_image_data_url, deps.pack.image_path(path))
    except ImageError as exc:
        task = next_task(state, deps)
        with state["recorder"].span("generate_vision", {"attempt": task.number, "seed": task.seed}) as span:
            span.output = {"query": None, "error": exc.what}
        attempt = Attempt(task.number, task.seed, task.prompt, error_class=exc.error_class, error=exc.what)
        return {"attempts": (*state["attempts"], attempt), "tries": state["tries"] + 1, "failure": exc}
    shown = {"url": image.data_url, "path": path, "sha256": image.sha256}
    return await attempt_completion(state, deps, "generate_vision", "vision", shown)
