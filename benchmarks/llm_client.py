"""CPU time of one call: the pool beside the bare SDK, against the fake endpoint in a process of its own.

    .venv/bin/python benchmarks/llm_client.py --calls 2000 --in-flight 64

What is measured is this process only, so the server's work does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from openai import AsyncOpenAI, DefaultAioHttpClient

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.pool import LlmPool
from routenator.engine.llm.structured import parse_json, response_format

FAKE = Path(__file__).parents[1] / "tests" / "fakes" / "endpoint.py"
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
MESSAGES = (
    {"role": "system", "content": "Write what a user types. " * 20},
    {"role": "user", "content": "Create: logo for dentist clinic, showing smiling tooth"},
)


async def measure(name: str, call: Callable[[], Awaitable[object]], calls: int, in_flight: int) -> None:
    """Print CPU milliseconds and calls per second of ``call``."""

    async def work(count: int) -> None:
        for _ in range(count):
            await call()

    await work(20)
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(calls // in_flight) for _ in range(in_flight)))
    done = calls // in_flight * in_flight
    cpu_ms = (time.process_time() - cpu) / done * 1000
    print(f"{name:28} {cpu_ms:6.2f} ms CPU a call   {done / (time.perf_counter() - wall):7.0f} calls/s")


async def compare(base_url: str, calls: int, in_flight: int) -> None:
    """Measure the bare SDK, the pool, and the pool with its answer parsed."""
    endpoint = Endpoint(base_url=(base_url,), model="fake", max_in_flight=in_flight)
    pool = LlmPool(EndpointsFile(endpoints={"e": endpoint}, roles={"text": "e"}))
    sdk = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient())
    request = ChatRequest(MESSAGES, schema=SCHEMA)

    async def bare() -> object:
        return await sdk.chat.completions.create(
            model="fake",
            messages=list(MESSAGES),  # type: ignore[arg-type]
            max_tokens=256,
            temperature=1.0,
            top_p=1.0,
            response_format=response_format("json_schema", SCHEMA, "answer"),  # type: ignore[arg-type]
        )

    async def pooled() -> object:
        return await pool.complete("text", request)

    async def parsed() -> object:
        return parse_json((await pool.complete("text", request)).text, SCHEMA)

    for name, call in (
        ("bare SDK, create()", bare),
        ("pool.complete()", pooled),
        ("pool.complete(), parse_json", parsed),
    ):
        await measure(name, call, calls, in_flight)
    await pool.aclose()
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
            asyncio.run(compare(server.stdout.readline().strip(), args.calls, args.in_flight))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
