"""The whole graph on a small pack, against fake endpoints: every slot has the stratum that a test asks for."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from fakes.endpoint import FakeEndpoint, Reply

from routenator.engine.config import CritiqueSettings, Endpoint, EndpointsFile
from routenator.engine.deps import Deps
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.kg.argument_walker import ArgumentWalker
from routenator.engine.kg.content import ContentIndex
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.llm.pool import LlmPool
from routenator.engine.prompting.examples import Example, ExampleBank, load_examples
from routenator.engine.prompting.library import PromptLibrary, shipped_prompts
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.routing.targets import Targets
from routenator.engine.runs.sampling import run_sample
from routenator.engine.sample import SampleKey, SampleRecord, Stratum
from routenator.engine.traces.recording import SpanRecorder
from routenator.engine.validation.critic import Critic
from routenator.engine.validation.judge import Judge
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords
from routenator.graphs.sample import build_graph as build_sample_graph
from routenator.graphs.sample import run_graph as run_sample_graph

TINY = Path(__file__).parents[1] / "packs" / "tiny"
SPOKEN = TINY.with_name("spoken")
TEXT = Stratum("text", "search", "icon", phrasing="fragment")
VISION = replace(TEXT, route="vision")
HEURISTIC = replace(TEXT, route="heuristic")
BOOKING = Stratum(
    "text", "book_table", "restaurant", length="5-8", phrasing="imperative", arguments="city+place", casing="sentence"
)
"""On the spoken pack."""
ROWS = 50
_VALUE = re.compile(r"^(\w+): (.+)$", re.MULTILINE)
_LABELS = re.compile(r"(?:Facts: |fragment: )([^.\[\n]+)")

EXAMPLES = tuple(
    Example(
        function="search",
        category="icon",
        query=f"{thing} icon",
        keyword="icon",
        nodes={"UserIntent": "open a cafe", "DesignType": "icon set", "SceneObject": thing, "Action": "find"},
    )
    for thing in ("teapot", "spoon", "apron", "kettle", "bagel")
)

Answer = Callable[[dict[str, Any]], Reply]


def words_of(body: dict[str, Any]) -> str:
    """The words of a request's last message."""
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def good_query(body: dict[str, Any]) -> str:
    """A query that every rule lets pass: it names the walk's third node, whatever the walk is."""
    match = _LABELS.search(words_of(body))
    assert match is not None, words_of(body)
    return f"little {match[1].split(', ')[2].strip()} icon"


def answer_well(body: dict[str, Any]) -> Reply:
    """`good_query` as JSON."""
    return Reply.json({"query": good_query(body)})


def answer_in_turn(*answers: Answer | Reply) -> Answer:
    """Each answer once, then the last one for ever."""
    left = list(answers)

    def answer(body: dict[str, Any]) -> Reply:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now if isinstance(now, Reply) else now(body)

    return answer


def values_of(body: dict[str, Any]) -> dict[str, str]:
    """The values that the spoken pack's prompt asks for."""
    return dict(_VALUE.findall(words_of(body)))


def answer_booking(body: dict[str, Any]) -> Reply:
    """A query for `BOOKING` that every rule lets pass once it is dressed."""
    values = values_of(body)
    return Reply.json({"query": f"book the {values['place']} in {values['city']}"})


BAD = Reply.json({"query": "quantum physics lecture icon"})
"""It is about nothing on any walk."""


@cache
def load_once(root: Path) -> DomainPack:
    """The pack in ``root``, read once in a session."""
    return load_pack(root)


@cache
def load_prompts(root: Path) -> PromptLibrary:
    """The shipped prompts, and those of the pack in ``root``."""
    spec = load_once(root).spec
    return PromptLibrary.load([shipped_prompts(), root / "prompts"], spec.walk, spec.spoken_arguments)


@cache
def _load_walkers(folder: Path, root: Path) -> tuple[Walker, ArgumentWalker]:
    adjacency = load_adjacency(build_graph(load_once(root), folder))
    return Walker(adjacency, load_once(root).spec.walk), ArgumentWalker(adjacency)


@cache
def load_outside(root: Path) -> OutsideWords:
    """What may stand around spoken values in the pack in ``root``."""
    pack = load_once(root)
    examples = load_examples([root / "prompts"])
    return OutsideWords.build(pack, Lexicon.from_pack(pack), load_prompts(root).literal_texts(), examples)


def _known_examples(root: Path) -> ExampleBank:
    if root == TINY:
        return ExampleBank.build(EXAMPLES, lambda _: replace(TEXT, length="2", keyword_position="end"))
    return ExampleBank.build(load_examples([root / "prompts"]), lambda _: replace(BOOKING, length="5"))


_compile_graph = cache(build_sample_graph)


@dataclass(frozen=True)
class Bench:
    """The compiled graph with all that it uses. ``judge`` is the judge's endpoint, asked only where one is wanted."""

    deps: Deps
    writer: FakeEndpoint
    judge: FakeEndpoint

    async def run(self, slot: int = 0, round: int = 0) -> SampleRecord:
        """One sample, from the start to its record."""
        graph = _compile_graph()

        return await run_sample(
            SampleKey(slot, round),
            lambda state: run_sample_graph(graph, state, self.deps),
            self.deps.plan,
            SpanRecorder(),
        )


def plan_of(stratum: Stratum, seed: int = 7) -> Plan:
    """A plan of which every slot is ``stratum``."""
    axes = asdict(stratum)
    marginals = [{"axes": [axis], "shares": {value: 1}} for axis, value in axes.items()]
    targets = Targets.model_validate({"tables": [{"axes": list(axes), "marginals": marginals}]})
    return Plan(fit_targets(targets), ROWS, seed)


@asynccontextmanager
async def open_bench(
    folder: Path,
    stratum: Stratum = TEXT,
    answer: Answer | Reply = answer_well,
    judge_answer: Answer | None = None,
    *,
    seed: int = 7,
    root: Path = TINY,
    pack: DomainPack | None = None,
    api_key_env: str | None = None,
    **settings: int,
) -> AsyncIterator[Bench]:
    """Serve the endpoints and put everything together.

    Args:
        folder: Of the graph databases.
        stratum: Of every slot.
        answer: What the writer says to every request.
        judge_answer: What the judge says; without it no judge votes.
        seed: The run's seed.
        root: Folder of the pack.
        pack: A copy of that one with other content.
        api_key_env: The writer's.
        settings: Of the critique.
    """
    pack, prompts = pack or load_once(root), load_prompts(root)
    walker, argument_walker = _load_walkers(folder, root)
    outside = load_outside(root) if pack.spec.spoken_arguments else None
    lexicon = Lexicon.from_pack(pack)
    writer = FakeEndpoint(answer=(lambda _: answer) if isinstance(answer, Reply) else answer, vision=True)
    judge = FakeEndpoint(answer=judge_answer) if judge_answer else FakeEndpoint()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(writer)
        await stack.enter_async_context(judge)
        plain = {"model": "fake", "max_retries": 0, "timeout_s": 5.0, "structured_output": "json_schema"}
        endpoints = {
            "writer": Endpoint(base_url=(writer.base_url,), api_key_env=api_key_env, **plain),
            "judge": Endpoint(base_url=(judge.base_url,), **plain),
        }
        pool = LlmPool(
            EndpointsFile(endpoints=endpoints, roles={"text": "writer", "vision": "writer", "judge": "judge"})
        )
        stack.push_async_callback(pool.aclose)
        voter = None
        if judge_answer is not None:
            voter = Judge(pool, pack, prompts.template("judge/rubric"), prompts.template("judge/relabel"))
        yield Bench(
            Deps(
                pack=pack,
                plan=plan_of(stratum, seed),
                prompts=prompts,
                examples=_known_examples(root),
                lexicon=lexicon,
                walker=walker,
                argument_walker=argument_walker,
                content=ContentIndex(pack),
                llm=pool,
                critic=Critic(pack, lexicon, judge=voter, outside=outside),
                settings=CritiqueSettings(**settings),
            ),
            writer,
            judge,
        )


def pass_everything(body: dict[str, Any]) -> Reply:
    """A judge that agrees with every label that it is asked for, and gives full marks."""
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    if "function" in properties:
        return Reply.json({"function": "search", "category": "icon"})
    return Reply.json({"reason": "fine", "naturalness": 5, "grounding": 5, "label": 5})


def dump(record: SampleRecord) -> str:
    """Everything that is stored of a sample, as one text to be searched."""
    return json.dumps(asdict(record), default=str)
