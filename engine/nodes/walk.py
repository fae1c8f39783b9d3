"""The `walk` node."""

from __future__ import annotations

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.domain.pack import NO_CATEGORY
from routenator.engine.errors import DeadEndError
from routenator.engine.kg.content import speaks_of
from routenator.engine.kg.walker import Walk
from routenator.engine.prompting.grammar import Grammar
from routenator.engine.prompting.library import Prompt
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, ContentRef, Grounding, SampleKey, Stratum, derive_seed
from routenator.engine.state import SampleState, SampleUpdate
from routenator.engine.validation.words import count_words

MAX_DRAWS = 24
"""Walks drawn for content that fits, for labels that fit each other (microseconds each), and for labels that have room
in the query (a fraction of a millisecond each)."""


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
    prompt = deps.prompts.prompts[state["prompt"]]
    with state["recorder"].span("walk", {"regrounds": regrounds}) as span:
        grounding = _draw_grounding(deps, key, stratum, regrounds, prompt)
        content = grounding.content
        span.output = {
            "path": [node.id for node in grounding.nodes],
            "labels": [node.label for node in grounding.nodes],
            "weights": [hop.weight for hop in grounding.hops],
            "content": None if content is None else content.id,
        }
    return {"grounding": grounding, "regrounds": regrounds, "tries": 0}


def _draw_grounding(deps: Deps, key: SampleKey, stratum: Stratum, regrounds: int, prompt: Prompt) -> Grounding:
    """A walk and the content that fits it.

    Where content is needed, walks are drawn until the content speaks of the walk's subject (the node before the
    action), at most `MAX_DRAWS` of them: an image of something else would ground nothing. Where none is, until the
    labels have room. Without luck the first stays.
    """
    needs = prompt.meta.grounding if isinstance(prompt, PromptTemplate) else "walk"
    first: Grounding | None = None
    for draw in range(MAX_DRAWS):
        seed = derive_seed(deps.seed, key.slot, key.round, "walk", regrounds, draw)
        nodes, hops = _draw_walk(deps, stratum, seed)
        if needs == "walk":
            grounding = Grounding(nodes, hops)
            if _has_room(deps, stratum, prompt, grounding, seed):
                return grounding
            first = first or grounding
            continue
        item = deps.content.pick(nodes, stratum.category, stratum.language, seed, needs_image=needs == "image")
        if item is None:
            kind = "content item with an image" if needs == "image" else "content item"
            raise DeadEndError(f"the pack has no {kind} of category {stratum.category} in {stratum.language}")
        grounding = Grounding(nodes, hops, ContentRef(item.id, item.title, item.keywords, item.type, item.image))
        if speaks_of(item, nodes[-2] if len(nodes) > 1 else nodes[0]):
            return grounding
        first = first or grounding
    assert first is not None
    return first


def _has_room(deps: Deps, stratum: Stratum, prompt: Prompt, grounding: Grounding, seed: int) -> bool:
    """Whether one sentence about spoken arguments, drawn like any other, has the stratum's length.

    So walks and sentences are drawn together: a long title stands in a long query as often as the grammar would have
    it. A walk that was kept whatever its length would bend the sentence to it, and few forms would be left.
    """
    grammars = [prompt] if isinstance(prompt, Grammar) else list(deps.prompts.drafts.get(stratum.function, ()))
    if stratum.length == ANY or not grammars or not grammars[0].argument_names:
        return True
    grammar = grammars[seed % len(grammars)]
    values = {node.argument: node.label for node in grounding.nodes}
    sentence, _ = grammar.say(stratum.phrasing, values, derive_seed(seed, "room"), bool)
    low, high = parse_length_band(stratum.length)
    return sentence is None or low <= count_words(sentence) <= high


def _draw_walk(deps: Deps, stratum: Stratum, seed: int) -> Walk:
    """A walk over the node types of the pack's walk, or over those of the arguments that are present."""
    if stratum.function not in deps.pack.spec.spoken_arguments:
        return deps.walker.walk(stratum.function, stratum.category, seed)
    roles = deps.pack.spec.roles[stratum.function]
    present = [(name, node_type) for name, node_type in roles.spoken.items() if name in stratum.present]
    named = {} if roles.category is None or stratum.category == NO_CATEGORY else {roles.category: stratum.category}
    fault: DeadEndError | None = None
    for draw in range(MAX_DRAWS):
        try:
            return deps.argument_walker.walk(present, named, stratum.function, derive_seed(seed, draw))
        except DeadEndError as exc:  # mostly labels that may not stand together: a city and its state of the same name
            fault = exc
    assert fault is not None
    raise fault
