"""What the text and the vision node share: prompt → chat completion → candidate."""

from __future__ import annotations

import random
import re
from typing import Any

from routenator.engine.config import Role
from routenator.engine.deps import Deps
from routenator.engine.errors import AuthError, EndpointError, PromptError, SampleError
from routenator.engine.llm.chat import ChatReply, ChatRequest, to_completion
from routenator.engine.llm.structured import parse_json
from routenator.engine.nodes.attempting import Task, keywords_for, make_candidate, next_task
from routenator.engine.prompting.guide import guide_schema, has_room
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.sample import Attempt, Completion, derive_seed
from routenator.engine.state import SampleState, SampleUpdate

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
        try:
            request, shown = _build_request(state, deps, task, template, image)
        except PromptError as exc:
            raise SampleError(f"the prompt cannot be rendered: {exc.what}") from None
        role = template.meta.role or default_role
        failure: SampleError | None = None
        reply: ChatReply | None = None
        try:
            reply = await deps.llm.complete(role, request)
            answer = parse_json(reply.text, template.meta.answer_schema)
            query = re.sub(" +", " ", str(answer["query"])).strip()
            free_text = answer.get(deps.pack.spec.arguments.free_text)
            attempt = Attempt(
                task.number,
                task.seed,
                task.prompt,
                completion=to_completion(shown, reply),
                candidate=make_candidate(deps, task.stratum, query, free_text),
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


def _build_request(
    state: SampleState, deps: Deps, task: Task, template: PromptTemplate, image: dict[str, Any] | None
) -> tuple[ChatRequest, tuple[dict[str, Any], ...]]:
    """The request, and its messages as the trace shows them: an image by path and hash."""
    stratum, meta = task.stratum, template.meta
    previous = state["attempts"][-1] if state["tries"] else None
    keywords = keywords_for(deps, stratum)
    opening = _choose_opening(task, template, bool(keywords))
    examples = deps.examples.choose(stratum, meta.examples)
    messages = template.render(
        sample_variables(deps.pack, stratum, task.grounding, task.keyword, opening, previous),
        [example_variables(deps.pack, stratum, example, number) for number, example in enumerate(examples)],
    )
    schema = meta.answer_schema
    if meta.guided:
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
    )
    return request, tuple(shown)


def _choose_opening(task: Task, template: PromptTemplate, with_keyword: bool) -> str:
    """One of the template's openings that leaves room for the keyword, or the shortest if none does."""
    openings = []
    for text in template.meta.openings:
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
