"""The `generate_heuristic` node."""

from __future__ import annotations

from langgraph.runtime import Runtime

from routenator.engine.deps import Deps
from routenator.engine.nodes.attempting import Task, keywords_for, make_candidate, next_task, passes_rules
from routenator.engine.prompting.grammar import UNFIT, Grammar, slot_values
from routenator.engine.sample import Attempt
from routenator.engine.state import SampleState, SampleUpdate


async def generate_heuristic(state: SampleState, runtime: Runtime[Deps]) -> SampleUpdate:
    """Expand a grammar over the walk's words until the query passes the rules. No model is asked.

    Reads ``stratum``, ``grounding``, ``prompt``; writes ``attempts`` and ``tries``. When no expansion fits, the attempt
    is of class ``unfit`` and the critique asks for another grounding.

    Source:
        RouteNator (arXiv:2505.10495), the heuristic baseline, with varied keyword position and length.
    """
    deps, task = runtime.context, next_task(state, runtime.context)
    grammar = deps.prompts.prompts[task.prompt]
    assert isinstance(grammar, Grammar)
    with state["recorder"].span("generate_heuristic", {"attempt": task.number, "seed": task.seed}) as span:
        query, expansions = _expand(deps, task, grammar)
        if query is None:
            error = f"no expansion of {grammar.name} fits the stratum"
            attempt = Attempt(task.number, task.seed, task.prompt, error_class=UNFIT, error=error)
        else:
            candidate = make_candidate(deps, task, query)
            attempt = Attempt(task.number, task.seed, task.prompt, candidate=candidate)
        span.output = {"query": query, "expansions": expansions}
    return {"attempts": (*state["attempts"], attempt), "tries": state["tries"] + 1}


def _expand(deps: Deps, task: Task, grammar: Grammar) -> tuple[str | None, int]:
    """The first query of the grammar that the rules let pass, and how many were tried."""

    def fits(text: str) -> bool:
        return passes_rules(deps, task, text)

    if deps.pack.spec.roles[task.stratum.function].spoken:
        return grammar.say(task.stratum.phrasing, task.values, task.seed, fits)
    forms = [(node.type, (node.label, *deps.pack.nodes_by_id[node.id].aliases)) for node in task.grounding.nodes]
    return grammar.generate(
        task.stratum.phrasing, slot_values(forms, keywords_for(deps, task.stratum)), task.seed, fits
    )
