"""What the text and the vision node share: prompt → chat completion → candidate."""

from __future__ import annotations

import random
import re
from typing import Any

from routenator.engine.config import Role
from routenator.engine.deps import Deps
from routenator.engine.errors import AuthError, EndpointError, PromptError, SampleError
from routenator.engine.llm.chat import ChatReply, ChatRequest, Choice, to_completion
from routenator.engine.llm.structured import parse_json
from routenator.engine.nodes.attempting import Task, fits_stratum, keywords_for, make_candidate, next_task
from routenator.engine.prompting.examples import Example, Messages
from routenator.engine.prompting.guide import guide_schema, has_room
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.prompting.value_guide import guide_values
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.sample import Attempt, Candidate, Completion, derive_seed
from routenator.engine.state import SampleState, SampleUpdate
from routenator.engine.validation.spans import find_spans

MAX_TOKENS_FACTOR = 2
"""A truncated reply's next attempt gets this many times the room."""


async def attempt_completion(
    state: SampleState, deps: Deps, node: str, default_role: Role, image: dict[str, Any] | None = None
) -> SampleUpdate:
    """Make one attempt with a chat completion.

    Args:
        state: The sample in flight.
        deps: The run's services.
        node: Name of the span.
        default_role: Endpoint role, unless the template names another.
        image: ``{"url": data URI, "path", "sha256"}`` to be shown with the last turn.

    Returns:
        ``attempts`` with one more, ``tries``, and ``failure`` when the endpoint cannot answer.

    Raises:
        AuthError: The endpoint refuses our key: nothing can go on.
        SampleError: The prompt cannot be rendered with this sample's values.
    """
    task = next_task(state, deps)
    template = deps.prompts.template(task.prompt)
    with state["recorder"].span(node, {"attempt": task.number, "seed": task.seed, "prompt": task.prompt}) as span:
        role = template.meta.role or default_role
        endpoint = deps.llm.endpoints.endpoint_of(role)
        try:
            request, shown = _build_request(state, deps, task, template, image, endpoint[1].choices if endpoint else 1)
        except PromptError as exc:
            raise SampleError(f"the prompt cannot be rendered: {exc.what}") from None
        failure: SampleError | None = None
        reply: ChatReply | None = None
        try:
            reply = await deps.llm.complete(role, request)
            chosen, candidate = _choose(reply, deps, task, template, state["key"].round)
            attempt = Attempt(
                task.number,
                task.seed,
                task.prompt,
                completion=to_completion(shown, reply, chosen),
                candidate=candidate,
            )
        except AuthError:
            raise
        except SampleError as exc:
            failure = exc if isinstance(exc, EndpointError) else None
            attempt = Attempt(
                task.number,
                task.seed,
                task.prompt,
                completion=to_completion(shown, reply) if reply is not None else _partial(shown, exc),
                error_class=exc.error_class,
                error=exc.what,
            )
        span.output = {"query": attempt.candidate and attempt.candidate.query, "error": attempt.error}
    return {"attempts": (*state["attempts"], attempt), "tries": state["tries"] + 1, "failure": failure}


def _choose(
    reply: ChatReply, deps: Deps, task: Task, template: PromptTemplate, refill_round: int
) -> tuple[Choice, Candidate]:
    """The first choice in which the critic's cheap part finds nothing, or else the first that can be read.

    Raises:
        SampleError: None can be read; it says why the first cannot.
    """
    readable: tuple[Choice, Candidate] | None = None
    fault: SampleError | None = None
    for choice in reply.choices:
        try:
            candidate = _read_candidate(choice, deps, task, template)
        except SampleError as exc:
            fault = fault or exc
            continue
        if len(reply.choices) == 1 or not deps.critic.check(
            candidate, task.stratum, task.grounding, deps.examples.queries, choice.min_logprob, refill_round
        ):
            return choice, candidate
        readable = readable or (choice, candidate)
    if readable is None:
        assert fault is not None
        raise fault
    return readable


def _read_candidate(choice: Choice, deps: Deps, task: Task, template: PromptTemplate) -> Candidate:
    if (fault := choice.fault()) is not None:
        raise fault
    answer = parse_json(choice.text, template.meta.answer_schema)
    query = re.sub(" +", " ", str(answer["query"])).strip()
    roles = deps.pack.spec.roles[task.stratum.function]
    return make_candidate(deps, task, query, answer.get(roles.free_text or ""))


def _build_request(
    state: SampleState, deps: Deps, task: Task, template: PromptTemplate, image: dict[str, Any] | None, choices: int
) -> tuple[ChatRequest, tuple[dict[str, Any], ...]]:
    """The request, and its messages as the trace shows them: an image by path and hash."""
    stratum, meta = task.stratum, template.meta
    previous = state["attempts"][-1] if state["tries"] else None
    keywords = keywords_for(deps, stratum)
    opening = _choose_opening(task, template, bool(keywords))

    def render_turns(examples: list[Example]) -> Messages:
        return template.render_turns(
            example_variables(deps.pack, stratum, example, number) for number, example in enumerate(examples)
        )

    turns = deps.examples.render_once(template.name, stratum, meta.examples, render_turns)
    variables = sample_variables(deps.pack, stratum, task.grounding, task.values, task.keyword, opening, previous)
    messages = template.render(variables, turns)
    schema = meta.answer_schema
    if meta.guided and task.values:
        schema = _guide(deps, task, schema, opening)
    elif meta.guided:
        schema = guide_schema(schema, stratum, keywords, opening, derive_seed(task.seed, "guide"))
    shown = messages
    if image is not None:
        text = messages[-1]["content"]
        part = {"type": "image_url", "image_url": {"url": image["url"]}}
        reference = {"type": "image", "path": image["path"], "sha256": image["sha256"]}
        head = messages[:-1]
        messages = [*head, {"role": "user", "content": [part, {"type": "text", "text": text}]}]
        shown = [*head, {"role": "user", "content": [reference, {"type": "text", "text": text}]}]
    truncated = previous is not None and previous.error_class == "truncated"
    request = ChatRequest(
        messages=tuple(messages),
        schema=schema,
        schema_name="query",
        max_tokens=meta.max_tokens * (MAX_TOKENS_FACTOR if truncated else 1),
        temperature=meta.temperature,
        top_p=meta.top_p,
        seed=task.seed % 2**31,
        logprobs=deps.settings.min_logprob is not None,
        n=choices,
    )
    return request, tuple(shown)


def _guide(deps: Deps, task: Task, schema: dict[str, Any], opening: str) -> dict[str, Any]:
    """``schema`` with the skeleton of a sentence of the pack's grammars; as it is where none fits the stratum."""
    seed = derive_seed(task.seed, "guide")
    grammars = deps.prompts.drafts.get(task.stratum.function)
    if not grammars:
        return schema
    grammar = random.Random(seed).choice(grammars)
    sentence, _ = grammar.say(
        task.stratum.phrasing, task.values, seed, lambda text: fits_stratum(deps, task.stratum, text)
    )
    if sentence is None:
        return schema
    spans = find_spans(sentence, task.values)
    values = [span.value for span in sorted(spans.places.values(), key=lambda span: span.start)]
    gaps = [len(words) for words in spans.words_between()]
    return guide_values(schema, task.stratum, values, gaps, opening, grammar.literal_words, seed)


def _choose_opening(task: Task, template: PromptTemplate, with_keyword: bool) -> str:
    """One of the template's openings that leaves room for the keyword, or the shortest if none does."""
    openings = []
    for text in template.meta.openings:
        if "{" in text:
            for node in task.grounding.nodes:
                text = text.replace(f"{{{node.type}}}", node.label)
        openings.append(text)
    if not openings:
        return ""
    fitting = [text for text in openings if has_room(task.stratum, text, with_keyword)]
    return random.Random(derive_seed(task.seed, "opening")).choice(fitting or [min(openings, key=len)])


def _partial(messages: tuple[dict[str, Any], ...], error: SampleError) -> Completion:
    """What is known of a call that failed: what was sent, what came of the reply, and every request."""
    return Completion(
        messages=messages,
        text=error.partial_text,
        endpoint="",
        model="",
        finish_reason=error.error_class,
        prompt_tokens=0,
        completion_tokens=0,
        latency_ms=sum(request["latency_ms"] for request in error.requests),
        requests=error.requests,
    )
