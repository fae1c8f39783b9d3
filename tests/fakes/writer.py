"""A second script for the fake endpoint: it reads the shipped prompts and answers as a good model would.

    FakeEndpoint(answer=Writer().answer, vision=True)

`write_query` finds words that fit the pattern of the request and the rules, without the engine's help, so that a run
on ``tests/packs/tiny`` comes to its end.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fakes.endpoint import FakeEndpoint, Received, Reply, plain_answer

_TEXT = re.compile(
    r"^(?P<function>\w+), (?P<phrasing>\w+): (?P<labels>[^\[\n]+?)(?: \[(?P<keyword>[^\]]+)\])?$", re.MULTILINE
)
_VISION = re.compile(
    r"calls (?P<function>\w+):.*?as (?P<phrasing>\w+)\."
    r"(?: Say \"(?P<keyword>[^\"]+)\"\.)?\s+Facts: (?P<labels>[^\n]+)\.",
    re.DOTALL,
)
_FILLERS = """
amber ancient bold bright calm clean cozy crisp cute dark dreamy elegant faded fancy fresh funny gentle glossy golden
green happy huge icy jolly large light little lively lovely lucky mellow messy neat old orange pale pink plain playful
pretty purple quiet rare red rough round rustic shiny silver sleepy small smooth soft sunny sweet tall teal tidy tiny
vivid warm white wild yellow young
""".split()
_TRIES = 400


# Whoever waits for a run looks at every request a hundred times a second, in the process that answers them.
@lru_cache(maxsize=65_536)
def _match(text: str) -> re.Match[str] | None:
    return _TEXT.search(text) or _VISION.search(text)


def facts_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """What the prompt says of its slot; ``None`` for a request that is no generation."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1].get("text", "")
    match = _match(text)
    if match is None or pattern_of(body) is None:
        return None
    labels = [label.strip() for label in match["labels"].split(",")]
    return {**match.groupdict(), "labels": labels, "prompt": text}


def opening_of(body: dict[str, Any]) -> str:
    """The first message as text: which prompt it is."""
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else ""


def pattern_of(body: dict[str, Any]) -> str | None:
    """The pattern that guides the query, if the request has one."""
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
    pattern: str | None = schema.get("properties", {}).get("query", {}).get("pattern")
    return pattern


def write_query(body: dict[str, Any], facts: dict[str, Any], rng: random.Random) -> str:
    """A query about the walk's object that fits the pattern and the phrasing."""
    pattern = re.compile(pattern_of(body) or ".*")
    subject, action = facts["labels"][-2].split(), facts["labels"][-1].split()
    keyword = (facts["keyword"] or "").split()
    leads = {"imperative": [action], "question": [["can", "you", *action], ["any"], []], "fragment": [[]]}
    mark = "?" if facts["phrasing"] == "question" else ""
    for _ in range(_TRIES):
        lead = rng.choice(leads[facts["phrasing"]])
        parts = [[word] for word in rng.sample(_FILLERS, rng.randint(0, 10))]
        parts.insert(rng.randint(0, len(parts)), subject)
        if keyword:
            parts.insert(rng.randint(0, len(parts)), keyword)
        query = " ".join([*lead, *(word for part in parts for word in part)]) + mark
        if pattern.fullmatch(query):
            return query
    return f"{' '.join(subject)} {' '.join(keyword)}".strip()


class Writer:
    """Answers generation requests with good queries, and all others as `plain_answer` does.

    The same request always gets the same answer, whichever process asks.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def query(self, body: dict[str, Any]) -> str | None:
        """The query for a request; ``None`` if it is no generation."""
        facts = facts_of(body)
        if facts is None:
            return None
        return write_query(body, facts, random.Random(f"{self.seed}/{body.get('seed')}/{facts['prompt']}"))

    def answer(self, body: dict[str, Any]) -> Reply:
        """The reply to a request."""
        query = self.query(body)
        return plain_answer(body) if query is None else Reply.text(json.dumps({"query": query}))


def slowly(delay_s: float) -> Callable[[dict[str, Any]], Reply]:
    """A writer's answers, at a speed at which a run can be caught in the middle."""
    writer = Writer()

    def answer(body: dict[str, Any]) -> Reply:
        if facts_of(body) is None:
            return writer.answer(body)
        return Reply.json({"query": writer.query(body)}, delay_s=delay_s)

    return answer


def generations(fake: FakeEndpoint) -> list[Received]:
    """Requests for queries that ``fake`` was sent; the checks of the roles are not counted."""
    return [request for request in list(fake.requests) if facts_of(request.body) is not None]
