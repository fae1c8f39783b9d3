"""Throughput of the embedded server: what a generated row costs, by prompt prefix and kind of answer.

Run: python benchmarks/embedded.py [--threads 1] [--slots 8] [--requests 32]

Three levers, each a row of the table: a prefix that all requests share (the server keeps it), a handful of prefixes in
turn, and a prefix of its own for each request; JSON by schema against a plain line. CPU seconds are the server's own,
so they compare on a busy machine; requests per second do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai

from routenator.engine.llm.embedded import MAX_SLOTS, EmbeddedLease, acquire_embedded, default_threads

MODEL = "smollm2-135m-instruct"
EXAMPLES = [
    ("school science fair, showing rocket", "poster for our school science fair with a rocket on it", "rocket poster"),
    ("dentist clinic, showing smiling tooth", "make a logo for our dentist clinic with a smiling tooth", "tooth logo"),
    ("wedding, showing white roses", "thank you card for wedding with white roses", "white roses thank you card"),
    ("bakery, showing fresh bread", "flyer to announce our new bakery with fresh bread", "fresh bread bakery flyer"),
    ("birthday, showing balloons", "cute birthday background with balloons", "birthday balloons background"),
]
TYPES = ("video", "icon", "template", "poster", "banner", "sticker", "menu")
OCCASIONS = ("yoga studio", "summer sale", "dog walker", "jazz concert", "baby shower", "food truck", "chess club")
OBJECTS = ("sunrise", "paw prints", "saxophone", "storks", "tacos", "knights", "latte art", "mountains", "candles")
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "prompt": {"type": "string"}},
    "required": ["query", "prompt"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {"type": "json_schema", "json_schema": {"name": "row", "strict": True, "schema": SCHEMA}}


def build_request(index: int, prefixes: int, as_json: bool) -> dict[str, Any]:
    """A few-shot request; ``prefixes`` different orders of the examples occur, 0 for one order each."""
    rng = random.Random(index)
    examples = EXAMPLES.copy()
    random.Random(rng.randrange(prefixes) if prefixes else index).shuffle(examples)
    messages = [{"role": "system", "content": "You write short queries that people type into a design app."}]
    for slots, query, prompt in examples:
        answer = json.dumps({"query": query, "prompt": prompt}) if as_json else query
        messages += [{"role": "user", "content": f"Create: {slots}"}, {"role": "assistant", "content": answer}]
    wanted = f"Create: {rng.choice(TYPES)} for {rng.choice(OCCASIONS)}, showing {rng.choice(OBJECTS)}"
    messages.append({"role": "user", "content": wanted})
    request = {"model": MODEL, "messages": messages, "max_tokens": 120, "temperature": 0.8, "seed": index}
    return request | ({"response_format": RESPONSE_FORMAT} if as_json else {"stop": ["\n"]})


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, from ``/proc``."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(lease: EmbeddedLease, requests: list[dict[str, Any]]) -> dict[str, float]:
    """Send ``requests`` with as many in flight as there are slots."""
    pid = int((lease.log_path.parent / "server.lock").read_text())
    pending: Iterator[dict[str, Any]] = iter(requests)
    prompt_tokens = cached_tokens = tokens = 0

    async def work(client: openai.AsyncOpenAI) -> None:
        nonlocal prompt_tokens, cached_tokens, tokens
        for request in pending:
            reply = await client.chat.completions.create(**request)
            assert reply.usage is not None
            prompt_tokens += reply.usage.prompt_tokens
            tokens += reply.usage.completion_tokens
            details = reply.usage.prompt_tokens_details
            cached_tokens += (details.cached_tokens or 0) if details else 0

    async with openai.AsyncOpenAI(base_url=lease.base_url, api_key="none", max_retries=0) as client:
        cpu, start = cpu_seconds(pid), time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(lease.slots)))
        wall, cpu = time.perf_counter() - start, cpu_seconds(pid) - cpu
    count = len(requests)
    return {
        "req/s": count / wall,
        "tok/s": tokens / wall,
        "CPU ms/req": cpu / count * 1000,
        "prompt": prompt_tokens / count,
        "cached": cached_tokens / count,
        "reply": tokens / count,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--slots", type=int, default=MAX_SLOTS)
    parser.add_argument("--requests", type=int, default=32)
    args = parser.parse_args()
    with acquire_embedded(MODEL, args.slots, threads=args.threads, linger_s=1) as lease:
        print(f"{args.threads} thread(s), {lease.slots} slots, load {os.getloadavg()[0]:.1f}")
        for title, prefixes, as_json in (
            ("line, one prefix", 1, False),
            ("JSON, one prefix", 1, True),
            ("JSON, 8 prefixes", 8, True),
            ("JSON, own prefix", 0, True),
        ):
            warm_up = [build_request(10_000 + index, prefixes, as_json) for index in range(lease.slots)]
            asyncio.run(measure(lease, warm_up))
            figures = asyncio.run(
                measure(lease, [build_request(index, prefixes, as_json) for index in range(args.requests)])
            )
            print(f"{title:18}" + "".join(f"  {name} {value:7.1f}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
