"""``routenator ablate``: what each part of the method is worth, as one command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, EXIT_INTERRUPTED, err, out, print_json, say

if TYPE_CHECKING:
    from rich.table import Table

    from routenator.engine.ablation.folder import AblationFolder
    from routenator.engine.ablation.report import AblationReport
    from routenator.engine.ablation.running import Outcome
    from routenator.engine.ablation.steps import Step
    from routenator.engine.cli.ablation_inputs import AblationInputs


def ablate(
    recipe: Annotated[
        str,
        typer.Argument(
            help="An ablation recipe, or the name of a shipped one: design-cpu, assistant-cpu, assistant-cpu-scaled."
        ),
    ],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder (default: ablations/RECIPE). One that exists goes on.")
    ] = None,
    golden: Annotated[
        Path | None, typer.Option(help="Real queries with their calls, in place of the recipe's golden set.")
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Run nothing: table and plot of what is done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Plan, steps and report as lines of JSON.")] = False,
) -> None:
    """Generate, train and evaluate every arm with every seed; then a table and a plot with intervals.

    Arms: heuristic-only, single-prompt-only, router, router-without-vision, router-without-critique, or your own. Each
    has as many rows and optimizer steps as the others. The time is said first. What is done is kept: after Ctrl-C or a
    kill the same command goes on, and a changed input makes anew only what depends on it. Exit code 1: a step failed.

    Example: routenator ablate design-cpu --golden golden.jsonl --out ablations/design
    """
    from routenator.engine.ablation.folder import AblationFolder
    from routenator.engine.ablation.steps import make_steps
    from routenator.engine.cli.ablation_inputs import load_ablation_inputs
    from routenator.engine.cli.shipped import find_ablation

    path = find_ablation(recipe)
    folder_path = out_dir or Path("ablations") / path.stem
    inputs = load_ablation_inputs(path, golden, folder_path)
    steps = make_steps(inputs.plan)
    for arm, why in inputs.skipped.items():
        say(f"Arm {arm} is left out: {why}.", style="yellow")
    if report_only:
        _report(AblationFolder.read(folder_path, inputs.identity), steps, inputs, as_json)
        return
    with AblationFolder.open(folder_path, inputs.identity, say) as folder:
        _require_packages(steps, folder, inputs)
        _say_plan(steps, folder, as_json)
        outcome = run_plan(steps, folder, as_json)
        if outcome.interrupted:
            say(f"Stopped. All that is done is in {folder_path}; give the same command again to go on.")
            raise typer.Exit(EXIT_INTERRUPTED)
        _report(folder, steps, inputs, as_json)
    if outcome.failed:
        for name, problem in outcome.failed.items():
            say(f"\n{name} failed:", style="bold red")
            say(problem)
        say("\nMend it and give the same command again: the other steps are kept.")
        raise typer.Exit(EXIT_INCOMPLETE)


def run_plan(steps: Sequence[Step], folder: AblationFolder, as_json: bool) -> Outcome:
    """Run what is not done, with a line for each step."""
    from routenator.engine.ablation.running import run_steps
    from routenator.engine.cli.ablation_progress import AblationProgress

    with AblationProgress(err, print_json if as_json else None) as progress:
        return run_steps(steps, folder, progress)


def _require_packages(steps: Sequence[Step], folder: AblationFolder, inputs: AblationInputs) -> None:
    """Say which packages are missing before hours of generation, not after."""
    from routenator.engine.llm.embedded_models import require_model
    from routenator.engine.training.base_model import TRAIN_PACKAGES, require_packages

    if any(step.kind == "generate" and folder.condition(step)[0] != "done" for step in steps):
        for model in sorted(inputs.embedded):
            require_model(model)
    if any(step.kind != "generate" and folder.condition(step)[0] != "done" for step in steps):
        quantized = ("bitsandbytes",) if inputs.plan.train.quantization == "nf4" else ()
        require_packages(*TRAIN_PACKAGES, *quantized)


def _say_plan(steps: Sequence[Step], folder: AblationFolder, as_json: bool) -> None:
    from routenator.engine.ablation.estimate import FIRST_GUESS_S, estimate_step, in_words
    from routenator.engine.ablation.steps import UNITS

    todo = [step for step in steps if folder.condition(step)[0] != "done"]
    found = {step.name: estimate_step(step, steps, folder.records) for step in todo}
    total_s = sum(estimate.seconds for estimate in found.values())
    guessed = {step.kind: None for step in todo if not found[step.name].measured}
    if as_json:
        plan = {name: {"seconds": e.seconds, "measured": e.measured} for name, e in found.items()}
        print_json({"event": "plan", "steps": len(steps), "to_do": plan, "seconds": total_s})
        return
    err.print(plan_table(steps, folder, {name: estimate.seconds for name, estimate in found.items()}))
    if not todo:
        say("All steps are done.")
        return
    basis = "as measured on the steps that are done"
    if guessed:
        figures = ", ".join(f"{FIRST_GUESS_S[kind]:g} s for each {UNITS[kind]}" for kind in guessed)
        basis = f"a first guess for {', '.join(guessed)} ({figures}); it gets better as steps end"
    say(f"{len(todo)} of {len(steps)} steps are to be done, in about {in_words(total_s)}: {basis}.")


def plan_table(steps: Sequence[Step], folder: AblationFolder, seconds: Mapping[str, float]) -> Table:
    """Arms down, commands across: how many seeds are done, to be done, to go on with, and why again."""
    from rich.table import Table

    from routenator.engine.ablation.estimate import in_words

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("Arm", "generate", "train", "evaluate", "time"):
        table.add_column(head, justify="right" if head == "time" else "left")
    for arm in dict.fromkeys(step.arm for step in steps):
        ours = [step for step in steps if step.arm == arm]
        cells = [
            _cell([step for step in ours if step.kind == kind], folder) for kind in ("generate", "train", "evaluate")
        ]
        left_s = sum(seconds.get(step.name, 0.0) for step in ours)
        table.add_row(arm, *cells, in_words(left_s) if left_s else "–")
    return table


def _cell(steps: Sequence[Step], folder: AblationFolder) -> str:
    words = {"done": "done", "begun": "to go on with", "new": "to do"}
    counts: Counter[str] = Counter()
    for step in steps:
        condition, changed = folder.condition(step)
        counts[words.get(condition) or f"again ({', '.join(changed)} changed)"] += 1
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "–"


def _report(folder: AblationFolder, steps: Sequence[Step], inputs: AblationInputs, as_json: bool) -> None:
    """Build, write and show the report of what is done."""
    from routenator.engine.ablation.data_facts import read_data
    from routenator.engine.ablation.report import build_report, find_done
    from routenator.engine.ablation.tables import print_report

    data = read_data(find_done(folder, steps))
    report = build_report(folder, steps, inputs.golden.rows, inputs.scoring, data, inputs.skipped, inputs.facts)
    if not report.figures:
        say("No model has been evaluated yet: there is nothing to show.", style="yellow")
        if as_json:
            print_json({"event": "report", **report.to_json()})
        return
    written = write_report(folder.path, report)
    if as_json:
        print_json({"event": "report", **report.to_json()})
    else:
        print_report(report, out)
        say("\n" + "\n".join(map(str, written)))


def write_report(folder: Path, report: AblationReport) -> list[Path]:
    """Write figures, table and, where matplotlib is installed, the plot; the files."""
    import orjson

    from routenator.engine.ablation.plot import draw_plot
    from routenator.engine.ablation.tables import to_markdown
    from routenator.engine.datasets.atomic_file import atomic_file
    from routenator.engine.evaluation.confusion import can_draw

    contents = {"results.json": orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2)}
    if can_draw():
        contents["plot.png"] = draw_plot(report)
    else:
        say("No plot: matplotlib is missing (pip install 'routenator[eval]').", style="yellow")
    contents["table.md"] = to_markdown(report, "plot.png" if "plot.png" in contents else None).encode()
    for name, content in contents.items():
        with atomic_file(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]
