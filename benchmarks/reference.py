"""The yardstick: the OpenAI SDK on its default transport, two calls a sample one after the other, nothing kept.

    python benchmarks/reference.py --base-url http://127.0.0.1:8000/v1 --samples 1000 --in-flight 64

What anybody would write first, and the least that an engine over this SDK could cost. Its request has the shape and
size of the engine's own: a system message, four examples, the facts, a JSON schema with a pattern. Prints one line of
JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from typing import Any

import uvloop
from openai import AsyncOpenAI

_EXAMPLES = (
    ("make: poster for dental practice, showing smiling tooth [poster]", "make me a poster with a smiling tooth"),
    (
        "make: birthday card for grandmother, showing garden roses [card]",
        "create a warm birthday card with garden roses",
    ),
    ("make: menu for coffee shop, showing steaming cup [menu]", "design a rustic menu with a steaming cup for my cafe"),
    (
        "make: flyer for bike repair, showing old bicycle [flyer]",
        "generate a bold flyer of an old bicycle for a repair shop",
    ),
)
_WORD = "[A-Za-z]{1,13}('s)?,?"
_SCHEMA = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "pattern": f"^create ({_WORD} ){{2,4}}(template|layout)(( {_WORD}){{0,2}} [A-Za-z]{{2,13}})?$",
        }
    },
    "required": ["query"],
    "additionalProperties": False,
}


def make_messages(number: int, feedback: str) -> list[dict[str, str]]:
    """The messages of one call."""
    messages = [
        {
            "role": "system",
            "content": "You write what people ask a design app to make for them. Say what it shows and what it is for.",
        }
    ]
    for facts, query in _EXAMPLES:
        messages.append({"role": "user", "content": facts})
        messages.append({"role": "assistant", "content": json.dumps({"query": query})})
    facts = f"make: business card for florist {number}, showing wild flowers [template]"
    messages.append({"role": "user", "content": f"{facts}{feedback}"})
    return messages


async def run_sample(client: AsyncOpenAI, number: int) -> None:
    """Two calls; the second carries a remark on the first, as an engine's second attempt does."""
    for feedback in ("", "\n\n(The query repeats 'flowers'; write each thing once.)"):
        completion: Any = await client.chat.completions.create(
            model="fake",
            messages=make_messages(number, feedback),  # type: ignore[arg-type]
            max_tokens=110,
            temperature=0.7,
            top_p=0.95,
            seed=number,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "query", "schema": _SCHEMA, "strict": True},
            },
        )
        json.loads(completion.choices[0].message.content)


async def measure(base_url: str, samples: int, in_flight: int) -> dict[str, float]:
    """Run ``samples`` with ``in_flight`` at once; CPU seconds, wall seconds and peak memory in MB."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=600) as client:
        numbers = iter(range(samples))

        async def work() -> None:
            for number in numbers:
                await run_sample(client, number)

        await run_sample(client, -1)
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scale = 1024 if sys.platform == "linux" else 1024 * 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    return {"samples": samples, "calls": 2 * samples, "wall_s": wall, "cpu_s": cpu, "peak_mb": peak_mb}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=64)
    args = parser.parse_args()
    print(json.dumps(uvloop.run(measure(args.base_url, args.samples, args.in_flight))))


if __name__ == "__main__":
    main()
