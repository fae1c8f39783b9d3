"""Start what a run needs: clients, the graph database, the sentence model, the critic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace

from routenator.engine.cli.embedded_servers import BaseUrls, hold_embedded
from routenator.engine.cli.inputs import RunInputs
from routenator.engine.config import EndpointsFile, Role
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.deps import Deps
from routenator.engine.domain.pack import DomainPack
from routenator.engine.embedding.batching import BatchEncoder
from routenator.engine.embedding.sentences import SentenceModel
from routenator.engine.errors import RunError
from routenator.engine.kg.argument_walker import ArgumentWalker
from routenator.engine.kg.content import ContentIndex
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.llm.checking import RoleCheck, check_roles
from routenator.engine.llm.embedded_models import cache_folder
from routenator.engine.llm.pool import LlmPool
from routenator.engine.nodes.route import draw_prompt
from routenator.engine.prompting.examples import example_kind
from routenator.engine.prompting.library import PromptLibrary
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.routing.fitting import FittedTable, without_route
from routenator.engine.routing.plan import Plan
from routenator.engine.runs.sampling import Invoke, run_sample
from routenator.engine.runs.worker import Runner
from routenator.engine.sample import Grounding, SampleKey, SampleRecord
from routenator.engine.traces.recording import SpanRecorder
from routenator.engine.validation.calibration import (
    Calibration,
    measure_judge,
    measure_rules,
    measure_rules_and_consistency,
)
from routenator.engine.validation.consistency import ConsistencyCheck
from routenator.engine.validation.critic import Critic
from routenator.engine.validation.fluency import FluencyCheck, pack_words
from routenator.engine.validation.judge import Judge
from routenator.engine.validation.pairs import Pair, make_pairs
from routenator.graphs.sample import build_graph as build_sample_graph
from routenator.graphs.sample import run_graph as run_sample_graph

Say = Callable[[str], None]


@asynccontextmanager
async def connect(endpoints: EndpointsFile, base_urls: BaseUrls, workers: int = 1) -> AsyncIterator[LlmPool]:
    """Clients of every endpoint, with a share of its limits where ``workers`` processes ask it."""
    pool = LlmPool(endpoints, base_urls, workers)
    try:
        yield pool
    finally:
        await pool.aclose()


@asynccontextmanager
async def open_pool(endpoints: EndpointsFile) -> AsyncIterator[LlmPool]:
    """Clients of every endpoint, and its embedded servers."""
    async with hold_embedded(endpoints) as base_urls, connect(endpoints, base_urls) as pool:
        yield pool


@dataclass(frozen=True)
class Knowledge:
    """What is read from the pack once, and never changes: the graph, the content, the sentence model."""

    walker: Walker
    argument_walker: ArgumentWalker
    content: ContentIndex
    sentences: SentenceModel | None
    consistency: ConsistencyCheck | None

    @classmethod
    def load(cls, inputs: RunInputs, say: Say) -> Knowledge:
        """Build the graph database if the cache has none for this pack, and load everything from it."""
        adjacency = load_adjacency(build_graph(inputs.pack, cache_folder() / "graphs"))
        sentences = _load_sentences(say)
        consistency = None
        if sentences is not None:
            encoder = BatchEncoder(sentences.encode)
            consistency = ConsistencyCheck(inputs.pack, encoder, inputs.recipe.critique.min_consistency)
        walker = Walker(adjacency, inputs.pack.spec.walk)
        return cls(walker, ArgumentWalker(adjacency), ContentIndex(inputs.pack), sentences, consistency)


def _load_sentences(say: Say) -> SentenceModel | None:
    """The sentence model, or ``None``, said aloud, where it is not installed."""
    try:
        return SentenceModel.load()
    except RunError as exc:
        say(f"Label consistency is not checked: {exc}")
        return None


def make_judge(pool: LlmPool, pack: DomainPack, prompts: PromptLibrary) -> Judge:
    """The judge that plays the role ``judge``."""
    return Judge(pool, pack, prompts.template("judge/rubric"), prompts.template("judge/relabel"))


def draw_pairs(inputs: RunInputs, walker: Walker) -> tuple[Pair, ...]:
    """Known-good and known-bad pairs of the pack, the same for every run of it."""

    def draw(function: str, category: str, seed: int) -> Grounding:
        return Grounding(*walker.walk(function, category, seed))

    return make_pairs(inputs.pack, inputs.lexicon, draw, inputs.recipe.critique.judge_pairs, seed=0)


async def calibrate(inputs: RunInputs, knowledge: Knowledge, judge: Judge | None) -> tuple[Calibration, ...]:
    """Measure on known pairs what the critique rests on: the rules, with consistency, and the judge."""
    pairs = draw_pairs(inputs, knowledge.walker)
    if not pairs:
        return ()
    threshold = inputs.recipe.critique.judge_threshold
    found = [measure_rules(pairs, inputs.pack, inputs.lexicon, threshold)]
    if knowledge.consistency is not None:
        check = knowledge.consistency
        found.append(await measure_rules_and_consistency(pairs, inputs.pack, inputs.lexicon, check, threshold))
    if judge is not None:
        found.append(await measure_judge(judge, pairs, threshold))
    return tuple(found)


def judge_notice(calibration: Calibration) -> str:
    """What is said of the judge before a run."""
    if calibration.error is not None:
        return f"The judge has no vote: it could not be measured ({calibration.error})."
    figure = f"balanced accuracy {calibration.balanced_accuracy:.2f} on {calibration.n} known pairs"
    if calibration.votes:
        return f"The judge votes: {figure}."
    return f"The judge has no vote: {figure} is below {calibration.threshold:.2f}; rules and consistency decide."


async def resolve_meta(inputs: RunInputs, knowledge: Knowledge, pool: LlmPool, say: Say) -> RunMeta:
    """Ask the endpoints what they can do, measure the judge, and settle the plan, before anything is spent.

    Raises:
        RunError: A route has no endpoint that can serve it, and the recipe does not say what to do about it.
    """
    checks = await check_roles(pool)
    notices: list[str] = []

    def notice(message: str) -> None:
        notices.append(message)
        say(message)

    tables = _settle_routes(inputs, checks, notice)
    if not inputs.recipe.critique.enabled:
        notice("There is no critique (critique.enabled: false): whatever can be read is accepted.")
        plan = Plan(tables, inputs.recipe.rows, inputs.recipe.seed)
        return RunMeta.from_pack(inputs.pack, plan, tuple(notices))
    judge = None
    if inputs.recipe.critique.judge_pairs and checks["judge"].works:
        judge = make_judge(pool, inputs.pack, inputs.prompts)
    calibrations = await calibrate(inputs, knowledge, judge)
    measured = next((calibration for calibration in calibrations if calibration.voter == "judge"), None)
    if measured is not None:
        notice(judge_notice(measured))
    elif judge is not None:
        notice("No judge votes: arguments are spoken, and no known pairs are made of such a pack; rules decide.")
    elif not inputs.recipe.critique.judge_pairs:
        notice("No judge votes: the recipe measures none (judge_pairs: 0); rules and consistency decide.")
    else:
        notice("No judge votes: the endpoints file names none that works; rules and consistency decide.")
    plan = Plan(tables, inputs.recipe.rows, inputs.recipe.seed)
    meta = RunMeta.from_pack(inputs.pack, plan, tuple(notices))
    return replace(meta, calibrations=tuple(asdict(calibration) for calibration in calibrations))


def _route_shares(tables: tuple[FittedTable, ...]) -> dict[str, float]:
    return next(table.marginal("route") for table in tables if "route" in table.axes)


def _settle_routes(inputs: RunInputs, checks: dict[Role, RoleCheck], notice: Say) -> tuple[FittedTable, ...]:
    """The tables without the routes that cannot run, or `RunError`."""
    tables = inputs.tables
    shares = _route_shares(tables)
    text, vision = checks["text"], checks["vision"]
    if shares.get("text", 0) > 0 and not text.works:
        raise _cannot_serve("text", text)
    if shares.get("vision", 0) > 0 and not vision.works:
        if inputs.recipe.on_missing_vision == "fail":
            raise _cannot_serve("vision", vision)
        tables = without_route(tables, "vision")
        after = _route_shares(tables)
        now = ", ".join(f"{route} {share:.0%}" for route, share in after.items())
        notice(
            f"Vision routes are unavailable ({_reason(vision)}): their share of {shares['vision']:.0%} goes to the "
            f"other routes (now {now})."
        )
    return tables


def _reason(check: RoleCheck) -> str:
    if check.endpoint is None:
        return "no endpoint plays the role vision" if check.role == "vision" else f"no endpoint plays {check.role}"
    return "; ".join(problem.what for problem in check.problems)


def _cannot_serve(role: Role, check: RoleCheck) -> RunError:
    fixes = [problem.fix for problem in check.problems] or [f"Name an endpoint under roles: {role}"]
    if role == "vision":
        fixes.append("or set `on_missing_vision: redistribute` in the recipe")
    return RunError(f"The {role} routes cannot run: {_reason(check)}.", hint="; ".join(fixes) + ".")


@dataclass(frozen=True)
class SampleRunner:
    """Runs samples through the compiled graph."""

    deps: Deps
    invoke: Invoke

    async def __call__(self, key: SampleKey, recorder: SpanRecorder) -> SampleRecord:
        """One sample, start to end."""
        return await run_sample(key, self.invoke, self.deps.plan, recorder)

    def prefix_of(self, key: SampleKey) -> str | None:
        """Names the beginning of the sample's prompt: its template and what chooses the few-shot turns."""
        stratum, prompt = draw_prompt(self.deps, key)
        if not isinstance(prompt, PromptTemplate):
            return None
        return "|".join((prompt.name, *example_kind(stratum)))


def _fluency(inputs: RunInputs, knowledge: Knowledge) -> FluencyCheck | None:
    settings = inputs.recipe.critique
    words = None
    if settings.known_words and knowledge.sentences is not None:
        words = knowledge.sentences.vocabulary | pack_words(inputs.pack, inputs.examples.queries)
    if words is None and settings.min_logprob is None:
        return None
    return FluencyCheck(settings.min_logprob, words)


def make_worker_runner(inputs: RunInputs, knowledge: Knowledge, pool: LlmPool, meta: RunMeta) -> Runner:
    """What a worker runs samples with."""
    runner = make_runner(inputs, knowledge, pool, meta)
    return Runner(runner, runner.prefix_of, meta.plan, pool.states)


def make_runner(inputs: RunInputs, knowledge: Knowledge, pool: LlmPool, meta: RunMeta) -> SampleRunner:
    """Put everything together; the judge votes if the run's calibration says so."""
    votes = any(item["voter"] == "judge" and item["votes"] for item in meta.calibrations)
    judge = make_judge(pool, inputs.pack, inputs.prompts) if votes else None
    deps = Deps(
        pack=inputs.pack,
        plan=meta.plan,
        prompts=inputs.prompts,
        examples=inputs.examples,
        lexicon=inputs.lexicon,
        walker=knowledge.walker,
        argument_walker=knowledge.argument_walker,
        content=knowledge.content,
        llm=pool,
        critic=Critic(
            inputs.pack,
            inputs.lexicon,
            knowledge.consistency,
            _fluency(inputs, knowledge),
            judge,
            inputs.outside,
            enabled=inputs.recipe.critique.enabled,
        ),
        settings=inputs.recipe.critique,
    )
    graph = build_sample_graph()

    return SampleRunner(deps, lambda state: run_sample_graph(graph, state, deps))
