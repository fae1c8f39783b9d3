"""The `walk` node."""

from __future__ import annotations

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.errors import DeadEndError
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.sample import ContentRef, Grounding, NodeRef, Stratum, derive_seed
from routenator.engine.state import SampleState, SampleUpdate


async def walk(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Draw one intent-to-action path that ends where the stratum is valid, and a content item that fits it.

    Reads ``key``, ``stratum``, ``prompt``, ``regrounds``; writes ``grounding`` and counts anew the tries on it. A
    second visit is a re-grounding: it draws another path. The same seed and graph give the same path.

    Raises:
        DeadEndError: No path, or no content item of the kind that the prompt needs, serves the stratum. The sample is
            recorded as rejected; its siblings go on.

    Source:
        RouteNator (arXiv:2505.10495), section 3.1.
    """
    deps, key, stratum = runtime.context, state["key"], state["stratum"]
    assert stratum is not None and state["prompt"] is not None
    regrounds = state["regrounds"] + (state["grounding"] is not None)
    seed = derive_seed(deps.seed, key.slot, key.round, "walk", regrounds)
    with state["recorder"].span("walk", {"seed": seed, "regrounds": regrounds}) as span:
        nodes, hops = deps.walker.walk(stratum.function, stratum.category, seed)
        prompt = deps.prompts.prompts[state["prompt"]]
        needs = prompt.meta.grounding if isinstance(prompt, PromptTemplate) else "walk"
        content = None if needs == "walk" else _pick_content(deps, nodes, stratum, seed, needs_image=needs == "image")
        span.output = {
            "path": [node.id for node in nodes],
            "labels": [node.label for node in nodes],
            "weights": [hop.weight for hop in hops],
            "content": None if content is None else content.id,
        }
    return {"grounding": Grounding(nodes, hops, content), "regrounds": regrounds, "tries": 0}


def _pick_content(
    deps: Deps, nodes: tuple[NodeRef, ...], stratum: Stratum, seed: int, *, needs_image: bool
) -> ContentRef:
    item = deps.content.pick(nodes, stratum.category, stratum.language, seed, needs_image=needs_image)
    if item is None:
        kind = "content item with an image" if needs_image else "content item"
        raise DeadEndError(f"the pack has no {kind} of category {stratum.category} in {stratum.language}")
    return ContentRef(item.id, item.title, item.keywords, item.type, item.image)
