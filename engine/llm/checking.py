"""Is every role's endpoint there, and what can it do? Asked before anything is spent."""

from __future__ import annotations

import asyncio
import base64
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from routenator.engine.config import ROLES, Role
from routenator.engine.errors import AuthError, EndpointError, SampleError, WrongModelError
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.chat_body import build_body
from routenator.engine.llm.endpoint_client import EndpointClient
from routenator.engine.llm.pool import LlmPool
from routenator.engine.llm.replica import Replica
from routenator.engine.llm.structured import Mode, parse_json
from routenator.engine.llm.wire import Answer, ask_models, send_chat

PROBES = 3
PROBE_DEADLINE_S = 60.0
MODELS_DEADLINE_S = 10.0

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"color": {"type": "string", "enum": ["red", "green", "blue"]}},
    "required": ["color"],
    "additionalProperties": False,
}
_SPEED_WORDS = "Describe a red square in one sentence."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an endpoint, and what to do about it.

    Attributes:
        fatal: Whether the role cannot be played for it; a dead replica beside a live one is not fatal.
    """

    what: str
    fix: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class RoleCheck:
    """What was found out about one role.

    Attributes:
        endpoint: The endpoint's name; ``None`` if none plays the role.
        reachable: Replicas that answered, of how many.
        structured_output: The mode that was negotiated; ``None`` if no JSON came.
        vision: Whether the model takes images; ``None`` if that could not be found out.
        latency_ms: Median over the probes.
        tokens_per_s: Of one request alone; batches do better.
        extra: Further columns by name, filled in by whoever knows more, such as the judge's accuracy.
    """

    role: Role
    endpoint: str | None = None
    model: str | None = None
    reachable: tuple[int, int] = (0, 0)
    structured_output: Mode | None = None
    vision: bool | None = None
    latency_ms: float | None = None
    tokens_per_s: float | None = None
    problems: tuple[Problem, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether the role can be played."""
        return self.endpoint is not None and not any(problem.fatal for problem in self.problems)


async def check_roles(pool: LlmPool) -> dict[Role, RoleCheck]:
    """Check every role at once; an endpoint that plays several roles is probed once."""
    probes: dict[str, asyncio.Task[RoleCheck]] = {}

    async def check(role: Role) -> RoleCheck:
        name = pool.endpoints.roles.get(role)
        if name is None:
            return RoleCheck(role)
        if name not in probes:
            probes[name] = asyncio.create_task(_probe(pool, role))
        return _for_role(await probes[name], role)

    checks = await asyncio.gather(*(check(role) for role in ROLES))
    return {found.role: found for found in checks}


def _for_role(found: RoleCheck, role: Role) -> RoleCheck:
    """The endpoint's check as ``role`` sees it: only the vision role needs to see."""
    problems = found.problems
    if role == "vision" and found.vision is False:
        fix = "Serve a vision model and name it under roles: vision, or leave the role out"
        problems = (*problems, Problem(f"{found.model} cannot see images", fix))
    return replace(found, role=role, problems=problems, extra=dict(found.extra))


async def _probe(pool: LlmPool, role: Role) -> RoleCheck:
    name, endpoint = pool.endpoints.endpoint_of(role) or ("", None)
    assert endpoint is not None
    found = RoleCheck(role, name, endpoint.model)
    try:
        client = pool.client_of(role)
    except EndpointError as exc:
        return replace(found, problems=(_problem(exc),))
    listings = await asyncio.gather(*(_list_models(client, replica) for replica in client.replicas))
    problems = tuple(listing for listing in listings if listing is not None)
    live = [replica for replica, problem in zip(client.replicas, listings, strict=True) if problem is None]
    found = replace(found, reachable=(len(live), len(client.replicas)), problems=problems)
    if not live:
        return found
    found = replace(found, problems=tuple(replace(problem, fatal=False) for problem in problems))
    return await _probe_chat(client, live, found)


async def _list_models(client: EndpointClient, replica: Replica) -> Problem | None:
    """What is wrong with one replica, judged by its list of models."""
    wanted = client.endpoint.model
    try:
        async with asyncio.timeout(MODELS_DEADLINE_S):
            served = await ask_models(replica.client, client.key)
    except TimeoutError:
        return Problem(f"{replica.name} did not list its models within {MODELS_DEADLINE_S:g} s", "See the server's log")
    except EndpointError as exc:
        return _problem(exc, replica.name)
    if served and wanted not in served:
        names = ", ".join(served[:5])
        return Problem(f"{replica.name} does not serve {wanted}", f"Set model to what it serves: {names}")
    return None


async def _probe_chat(client: EndpointClient, live: Sequence[Replica], found: RoleCheck) -> RoleCheck:
    problems = list(found.problems)
    mode: Mode | None = None
    try:
        async with asyncio.timeout(PROBE_DEADLINE_S):
            mode = await _probe_structure(client)
    except TimeoutError:
        problems.append(Problem(f"no answer within {PROBE_DEADLINE_S:g} s", "See the server's log; is it overloaded?"))
        return replace(found, problems=tuple(problems))
    except EndpointError as exc:
        problems.append(_problem(exc))
        return replace(found, problems=tuple(problems))
    except SampleError as exc:
        problems.append(
            Problem(f"asked for JSON: {exc.what}", "Try structured_output: json_object or text, or a better model")
        )
    try:
        answers = [await _timed(client, live[n % len(live)], _SPEED_WORDS) for n in range(PROBES)]
    except EndpointError as exc:
        problems.append(_problem(exc))
        return replace(found, structured_output=mode, problems=tuple(problems))
    vision = client.endpoint.vision
    if vision is None:
        vision = await _sees(client, live[0], answers[0][0].prompt_tokens)
    seconds = sum(latency_s for _, latency_s in answers)
    return replace(
        found,
        structured_output=mode,
        vision=vision,
        latency_ms=round(statistics.median(latency_s for _, latency_s in answers) * 1000, 1),
        tokens_per_s=round(sum(answer.completion_tokens for answer, _ in answers) / seconds, 1),
        problems=tuple(problems),
    )


async def _probe_structure(client: EndpointClient) -> Mode:
    question = {"role": "user", "content": 'What color is the sky? Answer as JSON, such as {"color": "red"}.'}
    request = ChatRequest((question,), schema=_SCHEMA, schema_name="sky", max_tokens=64, temperature=0.0)
    reply = await client.complete(request)
    parse_json(reply.text, _SCHEMA)
    return client.negotiation.mode


async def _timed(
    client: EndpointClient, replica: Replica, content: str | Sequence[dict[str, Any]]
) -> tuple[Answer, float]:
    """One request straight to a replica, cut or not; the answer and its seconds."""
    loop = asyncio.get_running_loop()
    request = ChatRequest(({"role": "user", "content": content},), max_tokens=48, temperature=0.0)
    body = build_body(client.endpoint, request, None)
    started = loop.time()
    try:
        async with asyncio.timeout(PROBE_DEADLINE_S):
            answer = await send_chat(replica.client, body, client.endpoint.model, client.key)
    except TimeoutError:
        raise EndpointError(f"no answer within {PROBE_DEADLINE_S:g} s") from None
    return answer, loop.time() - started


async def _sees(client: EndpointClient, replica: Replica, blind_tokens: int) -> bool | None:
    """Send a small image. A text model refuses it; a server that drops it counts no tokens for it."""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": _SPEED_WORDS},
        {"type": "image_url", "image_url": {"url": _red_square()}},
    ]
    try:
        answer, _ = await _timed(client, replica, parts)
    except EndpointError as exc:
        return False if exc.status is not None else None
    return answer.prompt_tokens > blind_tokens or answer.prompt_tokens == 0


@cache
def _red_square() -> str:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle((16, 16, 47, 47), fill="red")
    data = io.BytesIO()
    image.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def _problem(exc: EndpointError, where: str | None = None) -> Problem:
    what = exc.what if where is None else f"{where}: {exc.what}"
    if exc.hint:
        return Problem(what, exc.hint.rstrip("."))
    if isinstance(exc, AuthError | WrongModelError):
        return Problem(what, "Correct the endpoints file")
    if exc.status is None:
        return Problem(what, "Start the server, or correct base_url")
    return Problem(what, "See the server's log")
