"""``routenator evaluate``: a model on real queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, EXIT_INTERRUPTED, out, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from routenator.engine.config import EndpointsFile
    from routenator.engine.evaluation.comparison import Comparison
    from routenator.engine.evaluation.golden import GoldenRow
    from routenator.engine.evaluation.predictions import PredictionFile, Predictor
    from routenator.engine.evaluation.result import EvaluationResult
    from routenator.engine.evaluation.scores import Scoring

ToolsOption = Literal["api", "schemas", "signatures", "none"]
_SAY_EVERY_S = 10.0


def evaluate(
    golden: Annotated[Path, typer.Option("--golden", help="Real queries with their calls: JSON lines.")],
    model: Annotated[
        str | None,
        typer.Argument(
            help="An adapter, a checkpoint or an embedded model. With --endpoints: an endpoint's name, or a role; "
            "default: text."
        ),
    ] = None,
    endpoints: Annotated[Path | None, typer.Option(help="Endpoints file: MODEL is asked there.")] = None,
    pack: Annotated[str | None, typer.Option(help="The pack whose functions may be called, with their roles.")] = None,
    functions: Annotated[
        Path | None, typer.Option(help="The functions as a JSON list. Default: those the adapter was trained with.")
    ] = None,
    category_argument: Annotated[
        list[str] | None,
        typer.Option(help="Beside --functions: an argument that CTA counts, ARGUMENT or FUNCTION.ARGUMENT."),
    ] = None,
    text_argument: Annotated[
        list[str] | None, typer.Option(help="Beside --functions: a free-text argument, which SS compares.")
    ] = None,
    tools_in_prompt: Annotated[
        ToolsOption | None,
        typer.Option(
            help="How the functions are told: api (the request's tools; endpoints only), schemas, signatures or none. "
            "Default: as the adapter was trained; api for endpoints."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many rows.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows answered together by a model on this machine.")] = 32,
    compare: Annotated[Path | None, typer.Option(help="Folder of an evaluation of another model: paired.")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results. Default: evaluations/MODEL-GOLDEN.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The results as one line of JSON.")] = False,
) -> None:
    """Measure function F1, CTA, SS and more on a golden set, with intervals, slices, errors and a page.

    Answers are kept as they come: after Ctrl-C or a kill the same command goes on. Exit code 1 if rows got no answer.

    Example: routenator evaluate models/demo/adapter --golden golden.jsonl --pack design
    """
    import asyncio

    from routenator.engine.evaluation.comparison import PREDICTIONS, load_other
    from routenator.engine.evaluation.golden import load_golden
    from routenator.engine.evaluation.local_model import find_adapter
    from routenator.engine.folders import refuse_foreign

    chosen = _choose_endpoint(endpoints, model or "text") if endpoints is not None else None
    if chosen is not None:
        name = next(iter(chosen.endpoints))
    elif model is not None:
        name = find_adapter(model)
    else:
        raise typer.BadParameter("name a model, or an endpoints file", param_hint="MODEL, --endpoints")
    rows = load_golden(golden)[:limit]
    golden_sha256 = _digest(golden.read_bytes())
    other = load_other(compare, rows, golden_sha256) if compare is not None else None
    tools, scoring, sentence_model = _load_tools(
        None if chosen else name, pack, functions, category_argument or [], text_argument or []
    )
    _warn_of_strangers(rows, tools)
    folder = out_dir or Path("evaluations") / f"{_file_name(name)}-{golden.stem}"
    refuse_foreign(folder, PREDICTIONS, "an evaluation")
    identity = {"golden_sha256": golden_sha256, "tools_sha256": _digest_json(tools)}

    def open_file(predictor: Predictor) -> PredictionFile:
        from routenator.engine.evaluation.predictions import PredictionFile

        return PredictionFile(folder / PREDICTIONS, {**predictor.identity, **identity})

    try:
        if chosen is not None:
            name, file = asyncio.run(_ask_endpoint(chosen, tools, tools_in_prompt or "api", rows, open_file))
        else:
            name, file = _ask_local(name, tools, tools_in_prompt, batch_size, rows, open_file)
    except KeyboardInterrupt:
        say(f"\nStopped. The answers so far are in {folder}; give the same command again to go on.")
        raise typer.Exit(EXIT_INTERRUPTED) from None

    from importlib.metadata import version

    from routenator.engine.evaluation.comparison import compare_with
    from routenator.engine.evaluation.folder import to_record, write_results
    from routenator.engine.evaluation.result import Facts, build_result, find_errors
    from routenator.engine.evaluation.scores import score_rows

    predictions = [file.answers[row.id] for row in rows]
    replies = [prediction.parse() for prediction in predictions]
    scores = score_rows(rows, replies, scoring)
    errors = find_errors(rows, predictions, replies, scoring.folding)
    result = build_result(rows, predictions, scores, errors)
    comparison = compare_with(other, rows, scores, scoring) if other is not None else None
    about = {"file": golden.name, "sha256": golden_sha256, "rows": len(rows)}
    facts = Facts(name, file.identity, about, scoring.roles.to_json(), sentence_model, version("routenator"))
    written = write_results(folder, facts, result, errors, comparison)
    if as_json:
        print_json(to_record(facts, result, comparison))
    else:
        out.print(as_table(result, comparison))
        say("\n".join(str(path) for path in written))
    if unanswered := result.errors.get("no_answer", 0):
        say(f"{unanswered:,} rows got no answer and count as wrong; the same command asks them again.", style="yellow")
        raise typer.Exit(EXIT_INCOMPLETE)


def _load_tools(
    model: str | None, pack: str | None, functions: Path | None, categories: list[str], texts: list[str]
) -> tuple[tuple[dict[str, Any], ...], Scoring, str | None]:
    """The functions, by what to score, and the sentence model's name if one is needed."""
    from routenator.engine.domain.loading import load_pack
    from routenator.engine.domain.pack_paths import resolve_pack
    from routenator.engine.evaluation.matching import ValueFolding
    from routenator.engine.evaluation.roles import roles_by_name, roles_of, synonyms_of
    from routenator.engine.evaluation.scores import Scoring, no_similarity
    from routenator.engine.evaluation.similarity import SentenceSimilarity

    if pack is not None:
        if functions is not None or categories or texts:
            what = "a pack names its own functions and the roles of their arguments"
            raise typer.BadParameter(what, param_hint="--pack")
        loaded = load_pack(resolve_pack(pack))
        tools = tuple(function.tool for function in loaded.functions)
        roles, folding = roles_of(loaded), ValueFolding(synonyms_of(loaded))
    else:
        tools = _find_tools(model, functions)
        roles, folding = roles_by_name(tools, categories, texts), ValueFolding()
    similarity = SentenceSimilarity() if roles.free_texts else None
    missing = [name for name, known in (("CTA", roles.categories), ("SS", roles.free_texts)) if not known]
    if missing:
        say(
            f"{' and '.join(missing)} cannot be measured: no argument is declared for it "
            "(--pack, or --category-argument and --text-argument).",
            style="yellow",
        )
    schemas = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in tools}
    scoring = Scoring(roles, folding, similarity or no_similarity, schemas)
    return tools, scoring, similarity.name if similarity else None


def _find_tools(model: str | None, functions: Path | None) -> tuple[dict[str, Any], ...]:
    from routenator.engine.errors import Fault, InputError
    from routenator.engine.evaluation.local_model import is_adapter, read_training
    from routenator.engine.training.tools import load_tools

    if functions is not None:
        return load_tools(functions)
    if model is not None and is_adapter(model) and (tools := read_training(Path(model)).get("tools")):
        return tuple(tools)
    fix = "Give --pack NAME, or --functions FILE with a JSON list of them"
    raise InputError([Fault("--functions", "it is not known which functions the model may call", fix)])


def _warn_of_strangers(rows: Sequence[GoldenRow], tools: Sequence[dict[str, Any]]) -> None:
    """Say which golden functions the model is not told of."""
    known = {tool["function"]["name"] for tool in tools}
    strange = sorted({row.call.function for row in rows if row.call is not None} - known)
    if strange:
        shown = ", ".join(strange[:5]) + (" …" if len(strange) > 5 else "")
        say(f"{len(strange):,} functions of the golden set are not among the {len(known):,} given: {shown}", "yellow")


def _ask_local(
    model: str,
    tools: Sequence[dict[str, Any]],
    tools_in_prompt: ToolsOption | None,
    batch_size: int,
    rows: Sequence[GoldenRow],
    open_file: Callable[[Predictor], PredictionFile],
) -> tuple[str, PredictionFile]:
    import asyncio
    import os
    import signal

    from routenator.engine.evaluation.local_model import LocalModel

    if tools_in_prompt == "api":
        raise typer.BadParameter("api is for endpoints; give schemas", param_hint="--tools-in-prompt")
    predictor = LocalModel.load(model, tools, tools_in_prompt, batch_size)

    def stop(number: int, frame: Any) -> None:
        if predictor.stopping:
            os._exit(EXIT_INTERRUPTED)  # the batch's thread cannot be stopped
        predictor.stopping = True
        say("Stopping after the rows that are being answered. Once more to leave at once.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        found = asyncio.run(_ask(predictor, rows, open_file))
    finally:
        signal.signal(signal.SIGINT, before)
    if predictor.stopping:
        raise KeyboardInterrupt
    return found


async def _ask_endpoint(
    endpoints: EndpointsFile,
    tools: Sequence[dict[str, Any]],
    tools_in_prompt: ToolsOption,
    rows: Sequence[GoldenRow],
    open_file: Callable[[Predictor], PredictionFile],
) -> tuple[str, PredictionFile]:
    from routenator.engine.cli.services import open_pool
    from routenator.engine.evaluation.endpoint_model import EndpointModel

    async with open_pool(endpoints) as pool:
        return await _ask(EndpointModel(pool, "text", tools, tools_in_prompt), rows, open_file)


def _choose_endpoint(file: Path, model: str) -> EndpointsFile:
    """The file with the one endpoint that ``model`` names, by its name or by a role that it plays."""
    from routenator.engine.config import EndpointsFile, load_endpoints
    from routenator.engine.errors import ConfigError, Fault

    endpoints = load_endpoints(file)
    by_role = {str(role): name for role, name in endpoints.roles.items() if name is not None}
    name = model if model in endpoints.endpoints else by_role.get(model)
    if name is None:
        known = ", ".join([*endpoints.endpoints, *by_role])
        raise ConfigError([Fault(str(file), f"no endpoint and no role is called {model}", f"Name one of: {known}")])
    return EndpointsFile(endpoints={name: endpoints.endpoints[name]}, roles={"text": name})


async def _ask(
    predictor: Predictor, rows: Sequence[GoldenRow], open_file: Callable[[Predictor], PredictionFile]
) -> tuple[str, PredictionFile]:
    """Ask for what is not answered yet, and say how far it is."""
    import asyncio
    import time

    from routenator.engine.evaluation.asking import ask_model
    from routenator.engine.evaluation.wording import time_left

    file = open_file(predictor)
    before = sum(row.id in file.answers for row in rows)
    if before:
        say(f"{before:,} of {len(rows):,} rows are answered already.")
    began = time.monotonic()

    async def say_progress() -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY_S)
            done = sum(row.id in file.answers for row in rows)
            if done > before:
                pace = (done - before) / (time.monotonic() - began)
                say(f"{done:,} of {len(rows):,} rows, {pace:.1f} a second, {time_left((len(rows) - done) / pace)}")

    progress = asyncio.create_task(say_progress())
    try:
        await ask_model(predictor, rows, file)
    finally:
        progress.cancel()
    return predictor.name, file


def as_table(result: EvaluationResult, comparison: Comparison | None) -> Table:
    """The metrics for the terminal."""
    from rich.table import Table

    from routenator.engine.evaluation.wording import METRIC_WORDS, figure, signed

    columns = ["Metric", f"{result.rows:,} rows", "95 % interval"]
    if comparison is not None:
        columns += ["other", "gain", "p"]
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for name, found in result.metrics.items():
        cells = [METRIC_WORDS[name][0], figure(found.value), f"{figure(found.low)} to {figure(found.high)}"]
        if comparison is not None:
            gap = comparison.differences[name]
            cells += [figure(comparison.metrics[name]), signed(gap.value), figure(gap.p)]
        table.add_row(*cells)
    if result.rows_per_s:
        table.add_row("Throughput", f"{result.rows_per_s:.2f} rows/s", f"{result.tokens_per_s or 0:.0f} tokens/s")
    return table


def _file_name(model: str) -> str:
    from routenator.engine.evaluation.local_model import name_of

    return name_of(model).replace("/", "-") or "model"


def _digest(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def _digest_json(value: Any) -> str:
    import orjson

    return _digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
