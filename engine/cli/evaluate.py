"""``routenator evaluate``: a model on real queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, EXIT_INTERRUPTED, out, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from routenator.engine.evaluation.comparison import Comparison
    from routenator.engine.evaluation.predictions import PredictionFile, Predictor
    from routenator.engine.evaluation.result import EvaluationResult

ToolsOption = Literal["api", "schemas", "signatures", "none"]


def evaluate(
    golden: Annotated[Path, typer.Option("--golden", help="Real queries with their calls: JSON lines.")],
    model: Annotated[
        str | None,
        typer.Argument(
            help="An adapter, a training's folder, a checkpoint or an embedded model. With --endpoints: an endpoint's "
            "name, or a role; default: text."
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

    from routenator.engine.cli.evaluation_asking import ask_endpoint, ask_local
    from routenator.engine.cli.evaluation_inputs import choose_endpoint, load_scoring
    from routenator.engine.cli.strangers import warn_of_strangers
    from routenator.engine.digest import digest_json
    from routenator.engine.evaluation.comparison import PREDICTIONS, load_other
    from routenator.engine.evaluation.golden import load_golden
    from routenator.engine.evaluation.local_model import find_adapter
    from routenator.engine.folders import refuse_foreign

    chosen = choose_endpoint(endpoints, model or "text") if endpoints is not None else None
    if chosen is not None:
        name = next(iter(chosen.endpoints))
    elif model is not None:
        name = find_adapter(model)
    else:
        raise typer.BadParameter("name a model, or an endpoints file", param_hint="MODEL, --endpoints")
    golden_set = load_golden(golden)
    rows = golden_set.rows[:limit]
    other = load_other(compare, rows, golden_set.sha256) if compare is not None else None
    tools, scoring, sentence_model = load_scoring(
        None if chosen else name, pack, functions, category_argument or [], text_argument or []
    )
    warn_of_strangers({row.call.function for row in rows if row.call is not None}, tools, "the golden set")
    folder = out_dir or Path("evaluations") / f"{_file_name(name)}-{golden.stem}"
    refuse_foreign(folder, PREDICTIONS, "an evaluation")
    identity = {"golden_sha256": golden_set.sha256, "tools_sha256": digest_json(tools)}

    def open_file(predictor: Predictor) -> PredictionFile:
        from routenator.engine.evaluation.predictions import PredictionFile

        return PredictionFile(folder / PREDICTIONS, {**predictor.identity, **identity})

    try:
        if chosen is not None:
            name, file = asyncio.run(ask_endpoint(chosen, tools, tools_in_prompt or "api", rows, open_file))
        else:
            name, file = ask_local(name, tools, tools_in_prompt, batch_size, rows, open_file)
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
    about = {"file": golden.name, "sha256": golden_set.sha256, "rows": len(rows)}
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
