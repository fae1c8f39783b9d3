"""The one scripted fake of an OpenAI-compatible endpoint: a real HTTP server on loopback.

    async with FakeEndpoint(Reply.status(503, headers={"Retry-After": "0"}), Reply.text('{"a": 1}')) as fake:
        ... talk to fake.base_url ...
        assert len(fake.requests) == 2

Replies are taken in order; when the script is at its end, `answer` makes the reply from the request's body: by default
a JSON object that fits the requested schema, or the last user message when no schema was sent. Synchronous tests use
`serve_in_thread`; ``python tests/fakes/endpoint.py PORT`` serves in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CHAT_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Reply:
    """What the fake does with one chat request."""

    body: dict[str, Any] | bytes = b""
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    """Wait before the headers. ``inf``: they never come."""
    drip: tuple[int, float] | None = None
    """Send the body in pieces of so many bytes, each after so many seconds."""
    cut_after: int | None = None
    """Reset the connection after so many bytes of the body; 0 resets in place of any answer."""
    hang_up: bool = False
    """Close the connection in an orderly way in place of any answer."""

    @classmethod
    def text(
        cls,
        text: str | None,
        finish_reason: str | None = "stop",
        *,
        model: str | None = None,
        prompt_tokens: int = 11,
        completion_tokens: int = 7,
        **rest: Any,
    ) -> Reply:
        """A completion; ``model=None`` answers as the model that was asked for."""
        body = {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }
        return cls(body=body, **rest)

    @classmethod
    def json(cls, value: Any, **rest: Any) -> Reply:
        """A completion whose text is ``value`` as JSON."""
        return cls.text(json.dumps(value), **rest)

    @classmethod
    def status(cls, code: int, message: str = "no", **rest: Any) -> Reply:
        """An error in OpenAI's form."""
        return cls(body={"error": {"message": message, "type": "fake", "code": code}}, code=code, **rest)


NEVER = Reply.text("", delay_s=float("inf"))
RESET = Reply(cut_after=0)
HANG_UP = Reply(hang_up=True)


@dataclass(frozen=True)
class Received:
    """One chat request as it came."""

    body: dict[str, Any]
    headers: dict[str, str]
    at: float
    """Monotonic seconds."""


def instance_of(schema: dict[str, Any]) -> Any:
    """The plainest value that fits ``schema`` (objects, arrays, strings, numbers, enums)."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: instance_of(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [instance_of(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
        case "integer":
            return schema.get("minimum", 0)
        case "number":
            return schema.get("minimum", 0.5)
        case "boolean":
            return True
        case _:
            return "word".ljust(schema.get("minLength", 0), "x")


def sees_image(body: dict[str, Any]) -> bool:
    """Whether a message of the request has an image part."""
    contents = (message.get("content") for message in body["messages"])
    return any(part["type"] == "image_url" for content in contents if isinstance(content, list) for part in content)


def plain_answer(body: dict[str, Any]) -> Reply:
    """JSON by the requested schema; without one, the last user message. An image counts 64 tokens."""
    tokens = 11 + 64 * sees_image(body)
    response_format = body.get("response_format") or {}
    if response_format.get("type") == "json_schema":
        return Reply.json(instance_of(response_format["json_schema"]["schema"]), prompt_tokens=tokens)
    last = body["messages"][-1]["content"]
    return Reply.text(last if isinstance(last, str) else last[0].get("text", ""), prompt_tokens=tokens)


def vllm_metrics(running: int, waiting: int, deferred: int = 0) -> str:
    """The part of vLLM's ``/metrics`` that speaks of requests, as of two engines: so many wait for capacity."""
    lines = ["# HELP vllm:num_requests_running Number of requests in model execution batches."]
    for name, labels, value in (
        ("running", "", running),
        ("waiting", "", waiting + deferred),
        ("waiting_by_reason", ',reason="capacity"', waiting),
        ("waiting_by_reason", ',reason="deferred"', deferred),
    ):
        lines.append(f"# TYPE vllm:num_requests_{name} gauge")
        for engine, share in enumerate((value - value // 2, value // 2)):
            lines.append(f'vllm:num_requests_{name}{{engine="{engine}",model_name="{{fake}}"{labels}}} {float(share)}')
    return "\n".join([*lines, ""])


class FakeEndpoint:
    """A server with a script of replies; see the module."""

    def __init__(
        self,
        *script: Reply,
        answer: Callable[[dict[str, Any]], Reply] = plain_answer,
        model: str = "fake",
        vision: bool = False,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.script = deque(script)
        self.answer = answer
        self.model = model
        self.vision = vision
        self.api_key = api_key
        self.port = port
        self.requests: list[Received] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.bytes_sent = 0
        self.metrics: Callable[[], str] | None = None
        self.metrics_asked = 0
        self._slots: asyncio.Semaphore | None = None
        self._runner: web.AppRunner | None = None

    def compute_at_once(self, capacity: int) -> None:
        """Answer so many requests at a time and let the rest wait without bound, as vLLM does, with its metrics."""
        self._slots = asyncio.Semaphore(capacity)
        self.metrics = lambda: vllm_metrics(min(self.in_flight, capacity), max(0, self.in_flight - capacity))

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> FakeEndpoint:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post(CHAT_PATH, self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _refuses(self, request: web.Request) -> bool:
        return self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}"

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _metrics(self, _: web.Request) -> web.Response:
        self.metrics_asked += 1
        return web.Response(status=404) if self.metrics is None else web.Response(text=self.metrics())

    async def _models(self, request: web.Request) -> web.Response:
        if self._refuses(request):
            return web.json_response({"error": {"message": "bad key"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": self.model, "object": "model"}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(Received(body, dict(request.headers), asyncio.get_running_loop().time()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            async with self._slots or nullcontext():
                return await self._reply(request, self._choose(request, body), body)
        finally:
            self.in_flight -= 1

    def _choose(self, request: web.Request, body: dict[str, Any]) -> Reply:
        if self.script:
            return self.script.popleft()
        if self._refuses(request):
            return Reply.status(401, f"Incorrect API key provided: {request.headers.get('Authorization')}")
        if body["model"] != self.model:
            return Reply.status(404, f"The model `{body['model']}` does not exist.")
        if sees_image(body) and not self.vision:
            return Reply.status(400, f"{self.model} is not a multimodal model")
        return self.answer(body)

    async def _reply(self, request: web.Request, reply: Reply, body: dict[str, Any]) -> web.StreamResponse:
        if reply.delay_s:
            await asyncio.sleep(min(reply.delay_s, 3600))
        transport = request.transport
        if transport is None:  # the client has gone
            return web.Response()
        if reply.hang_up:
            transport.close()
            return web.Response()
        if reply.cut_after == 0:
            transport.abort()
            return web.Response()
        content = reply.body
        if isinstance(content, dict):
            if content.get("choices") and content.get("model") is None:
                content = {**content, "model": body["model"]}
            content = json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **reply.headers}
        response = web.StreamResponse(status=reply.code, headers=headers)
        response.content_length = len(content)
        await response.prepare(request)
        size, pause_s = reply.drip or (1 << 16, 0.0)
        sent = content if reply.cut_after is None else content[: reply.cut_after]
        for start in range(0, len(sent), size):
            if pause_s:
                await asyncio.sleep(pause_s)
            await response.write(sent[start : start + size])
            self.bytes_sent += len(sent[start : start + size])
        if reply.cut_after is not None:
            await asyncio.sleep(0.02)  # what was written leaves before the reset
            transport.abort()
            return response
        await response.write_eof()
        return response


@asynccontextmanager
async def serve_replicas(*fakes: FakeEndpoint) -> AsyncIterator[tuple[str, ...]]:
    """Run several fakes; yields their base URLs."""
    async with AsyncExitStack() as stack:
        yield tuple([(await stack.enter_async_context(fake)).base_url for fake in fakes])


@contextmanager
def serve_in_thread(fake: FakeEndpoint) -> Iterator[FakeEndpoint]:
    """Run a fake on an event loop of its own, for tests that are not asynchronous."""
    ready, done = threading.Event(), threading.Event()

    def serve() -> None:
        async def run() -> None:
            async with fake:
                ready.set()
                await asyncio.to_thread(done.wait)

        asyncio.run(run())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10), "the fake endpoint did not start"
    try:
        yield fake
    finally:
        done.set()
        thread.join(10)


async def _serve_for_ever(port: int) -> None:
    async with FakeEndpoint(port=port) as fake:
        print(fake.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_for_ever(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
