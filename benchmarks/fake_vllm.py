"""A fake vLLM that is fast enough to load the engine: HTTP/1.1 on bare asyncio, with a latency of its own.

    python benchmarks/fake_vllm.py --latency-ms 200 --spread 0.2

prints its base URL and serves until it is ended. Each answer comes after a latency drawn evenly from
``latency ± spread``. A request for a query is answered so that a sample takes two calls: the first answer doubles its
last word, which a rule of the critique refuses; the answer to the request that carries the critique's feedback is one
that every rule lets pass. With ``--right`` the first answer is that one, and the two calls of a judge's vote follow: it
is labelled with the first function and category that may be chosen, and gets full marks. ``/v1/models`` and
``/metrics`` are there as vLLM has them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
from functools import lru_cache
from typing import Any, cast

import orjson
import uvloop

MODEL = "fake"
_FACTS = re.compile(
    r"(?:showing (?P<subject>[^\[\n]+?)|^(?P<first>[^/\n]+?) / [^\n]*?|"
    r"^\w+, \w+: .*, (?P<third>[^,\[\n]+), (?P<action>[^,\[\n]+?))(?: \[(?P<keyword>[^\]]+)\]| / say: (?P<say>.+))?$",
    re.MULTILINE,
)
_FORM = re.compile(
    r"(?P<start>[^(W]*)(?:\(W \)\{(?P<least>\d+),(?P<most>\d+)\})?(?:\((?P<keyword>[^()W ][^()W]*)\))?"
    r"(?P<tail>[^?]*)(?P<optional>\?)?(?P<mark>\\\?)?"
)
_TAIL = re.compile(r"W\)\{(\d+),(\d+)\}")
_FILLERS = """
amber ancient bold bright calm clean cozy crisp cute dark dreamy elegant faded fancy fresh funny gentle glossy golden
green happy huge icy jolly large light little lively lovely lucky mellow messy neat orange pale peaceful playful
pretty purple quiet rare red rough rustic shiny silver sleepy small smooth soft sunny sweet tall teal tidy tiny
vivid warm white wild yellow young cheerful cloudy curious delicate dusty fluffy foggy graceful grand hazy humble
misty modest mossy noble opulent polished proud rosy royal serene sleek slender sparkling spotless stormy sturdy subtle
timid tranquil velvety weathered whimsical windy wintry
""".split()


@lru_cache(maxsize=65_536)
def read_form(pattern: str) -> tuple[list[str], range, bool, range, str]:
    """Opening words, how many free words before the keyword, whether there is one, how many after it, the end mark."""
    text = pattern[1:-1].replace("[A-Za-z]{1,13}('s)?,?", "W").replace("[A-Za-z]{2,13}", "W")
    match = _FORM.fullmatch(text)
    assert match is not None, pattern
    before = range(int(match["least"] or 0), int(match["most"] or 0) + 1)
    after = range(1)
    if match["tail"]:
        counts = _TAIL.search(match["tail"])
        least, most = (int(counts[1]), int(counts[2])) if counts else (0, 0)
        after = range(0 if match["optional"] else 1 + least, 2 + most)
    return match["start"].split(), before, match["keyword"] is not None, after, "?" if match["mark"] else ""


def write_query(body: dict[str, Any], rng: random.Random, is_right: bool) -> str | None:
    """A query that passes the rules, or one with a doubled word where no feedback is given; ``None``: none is asked.

    Args:
        body: The request.
        rng: Chooses the words.
        is_right: Whether the first answer passes as well.
    """
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
    pattern = schema.get("properties", {}).get("query", {}).get("pattern")
    facts = _FACTS.search(body["messages"][-1]["content"]) if pattern else None
    if facts is None:
        return None
    start, before, named, after, mark = read_form(pattern)
    named_subject = (facts["subject"] or facts["first"] or facts["third"]).split()
    # Two words say what it is about; a long subject would leave no room in a short query.
    subject = [word for word in named_subject if len(word) > 3][:2] or named_subject
    keyword = (facts["keyword"] or facts["say"] or "").split() if named else []
    counts = [before[len(before) // 2], after[len(after) // 2]]
    room = [before[-1], after[-1]]
    # The side whose usual number of words is nearest to what the subject needs.
    side = max((0, 1), key=lambda i: (room[i] >= len(subject), counts[i]))
    counts[side] = max(counts[side], len(subject))
    free = [counts[0], counts[1]]
    free[side] -= len(subject)
    fillers = rng.sample(_FILLERS, sum(free))
    head, tail = fillers[: free[0]], fillers[free[0] :]
    (head, tail)[side].extend(subject)
    if not start and facts["action"]:
        start = facts["action"].split()
        del head[: len(start)]
    words = [*start, *head, *keyword, *tail]
    if not is_right and "\n(" not in body["messages"][-1]["content"]:
        words.append(words[-1])
    return " ".join(words) + mark


def plain_value(schema: dict[str, Any]) -> Any:
    """The plainest value of an object's properties, as a probe of the endpoint asks for it; of a score the highest."""
    return {
        name: part["maximum"] if part.get("type") == "integer" else part.get("enum", ["word"])[0]
        for name, part in schema.get("properties", {}).items()
    }


class FakeVllm:
    """What all connections share.

    Args:
        latency_s: Mean latency of an answer in seconds.
        spread: Half the width of its distribution, as a share of the mean.
        is_right: Whether the first answer to a request for a query passes the rules.
        seed: Of latencies.
    """

    def __init__(self, latency_s: float, spread: float, is_right: bool = False, seed: int = 0) -> None:
        self.running = 0
        self._is_right = is_right
        self._latency_s = latency_s
        self._spread = spread
        self._rng = random.Random(seed)
        self._words = random.Random(seed)

    def draw_latency_s(self) -> float:
        """Seconds until the next answer."""
        return self._latency_s * (1 + self._spread * (2 * self._rng.random() - 1))

    def answer(self, content: bytes) -> bytes:
        """The body of a chat completion."""
        body = orjson.loads(content)
        seed = body.get("seed")
        if seed is not None:
            self._words.seed(seed)
        query = write_query(body, self._words, self._is_right)
        if query is not None:
            text = orjson.dumps({"query": query}).decode()
        else:
            schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
            text = orjson.dumps(plain_value(schema)).decode()
        prompt_tokens, completion_tokens = len(content) // 4, len(text) // 4
        return orjson.dumps(
            {
                "id": "chatcmpl-0123456789abcdef",
                "object": "chat.completion",
                "created": 1_790_000_000,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text, "refusal": None, "tool_calls": []},
                        "logprobs": None,
                        "finish_reason": "stop",
                        "stop_reason": None,
                    }
                ],
                "usage": {
                    "prompt_tokens": prompt_tokens,
                    "completion_tokens": completion_tokens,
                    "total_tokens": prompt_tokens + completion_tokens,
                },
            }
        )

    def metrics(self) -> bytes:
        """The gauges that the engine reads."""
        return (
            f'vllm:num_requests_running{{model_name="{MODEL}"}} {self.running}\n'
            f'vllm:num_requests_waiting{{model_name="{MODEL}"}} 0\n'
        ).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, server: FakeVllm) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = received[:end]
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(received) < end + 4 + length:
            return
        self._received = received[end + 4 + length :]
        self._serve(head, received[end + 4 : end + 4 + length])

    def _serve(self, head: bytes, content: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.endswith(b"/chat/completions"):
            self._server.running += 1
            loop = asyncio.get_running_loop()
            loop.call_later(self._server.draw_latency_s(), self._finish, content)
        elif path.endswith(b"/models"):
            self._reply(orjson.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))
        elif path == b"/metrics":
            self._reply(self._server.metrics(), b"text/plain")
        else:
            self._reply(b'{"error": {"message": "no such path"}}', status=b"404 Not Found")

    def _finish(self, content: bytes) -> None:
        self._server.running -= 1
        self._reply(self._server.answer(content))

    def _reply(self, content: bytes, kind: bytes = b"application/json", status: bytes = b"200 OK") -> None:
        if not self._transport.is_closing():
            self._transport.write(
                b"HTTP/1.1 %b\r\nserver: uvicorn\r\ncontent-length: %d\r\ncontent-type: %b\r\n\r\n%b"
                % (status, len(content), kind, content)
            )


async def serve(latency_s: float, spread: float, is_right: bool) -> None:
    """Print the base URL and serve for ever."""
    fake = FakeVllm(latency_s, spread, is_right)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(fake), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--spread", type=float, default=0.2)
    parser.add_argument("--right", action="store_true", help="The first answer passes the rules.")
    args = parser.parse_args()
    uvloop.run(serve(args.latency_ms / 1000, args.spread, args.right))


if __name__ == "__main__":
    main()
