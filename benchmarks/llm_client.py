"""CPU time of one call by transport, bare and through the pool, against the fake endpoint in a process of its own.

    .venv/bin/python benchmarks/llm_client.py --calls 2000 --in-flight 64

What is measured is this process only, so the server's work does not count. Rounds of all ways take turns, and the
median round counts: the speed of a shared machine drifts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import orjson
import uvloop
from openai import AsyncOpenAI, DefaultAioHttpClient

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.chat_body import build_body
from routenator.engine.llm.pool import LlmPool
from routenator.engine.llm.structured import parse_json, response_format

FAKE = Path(__file__).parents[1] / "tests" / "fakes" / "endpoint.py"
ROUNDS = 5
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
MESSAGES = (
    {"role": "system", "content": "Write what a user types. " * 20},
    {"role": "user", "content": "Create: logo for dentist clinic, showing smiling tooth"},
)
REQUEST = ChatRequest(MESSAGES, schema=SCHEMA)
Call = Callable[[], Awaitable[object]]


async def cpu_ms(call: Call, calls: int, in_flight: int) -> float:
    """CPU milliseconds of one call."""

    async def work(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*(work(1) for _ in range(in_flight)))
    cpu = time.process_time()
    await asyncio.gather(*(work(calls // in_flight) for _ in range(in_flight)))
    return (time.process_time() - cpu) / (calls // in_flight * in_flight) * 1000


def ask_sdk(sdk: AsyncOpenAI) -> Call:
    """The SDK as its own documentation uses it."""

    async def call() -> object:
        return await sdk.chat.completions.create(
            model="fake",
            messages=list(MESSAGES),  # type: ignore[arg-type]
            max_tokens=256,
            temperature=1.0,
            top_p=1.0,
            response_format=response_format("json_schema", SCHEMA, "answer"),  # type: ignore[arg-type]
        )

    return call


def ask_pool(pool: LlmPool, parse: bool = False) -> Call:
    """Our way, with limits, deadlines and the record of every request."""

    async def call() -> object:
        reply = await pool.complete("text", REQUEST)
        return parse_json(reply.text, SCHEMA) if parse else reply

    return call


async def compare(base_url: str, calls: int, in_flight: int) -> None:
    """Print CPU milliseconds a call for each way."""
    endpoint = Endpoint(base_url=(base_url,), model="fake", max_in_flight=in_flight)
    body = build_body(endpoint, REQUEST, "json_schema")
    pools = {
        name: LlmPool(
            EndpointsFile(endpoints={"e": endpoint.model_copy(update={"transport": name})}, roles={"text": "e"})
        )
        for name in ("openai", "aiohttp")
    }
    sdks = (
        AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0),
        AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient()),
    )
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:

        async def bare() -> object:
            async with session.post(f"{base_url}/chat/completions", data=body) as response:
                return orjson.loads(await response.read())

        ways: dict[str, Call] = {
            "SDK, default transport": ask_sdk(sdks[0]),
            "SDK, aiohttp transport": ask_sdk(sdks[1]),
            "pool, transport: openai": ask_pool(pools["openai"]),
            "pool, transport: aiohttp": ask_pool(pools["aiohttp"]),
            "pool, aiohttp, parse_json": ask_pool(pools["aiohttp"], parse=True),
            "bare aiohttp": bare,
        }
        figures: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, call in ways.items():
                figures[name].append(await cpu_ms(call, max(calls // ROUNDS, in_flight), in_flight))
    reference = statistics.median(figures["SDK, default transport"])
    for name, found in figures.items():
        middle = statistics.median(found)
        print(f"{name:28} {middle:6.3f} ms CPU a call   {middle / reference:5.2f} of the SDK on its default transport")
    for pool in pools.values():
        await pool.aclose()
    for sdk in sdks:
        await sdk.close()


def main() -> None:
    """Start the fake, compare, stop the fake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    args = parser.parse_args()
    with subprocess.Popen([sys.executable, str(FAKE)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            uvloop.run(compare(server.stdout.readline().strip(), args.calls, args.in_flight))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
