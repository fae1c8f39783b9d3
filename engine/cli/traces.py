"""``routenator traces``: find samples of a run, and look into one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import out, print_json, say
from routenator.engine.cli.traces_export import export_traces
from routenator.engine.errors import Fault, InputError

if TYPE_CHECKING:
    from routenator.engine.ledger.reader import LedgerReader, SampleFilter

traces_app = typer.Typer(help="Look into a run's samples: list them, show one.", no_args_is_help=True)
traces_app.command("export")(export_traces)

RunDir = Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a layout for people.")]


def _check_run(run_dir: Path) -> None:
    """Refuse a path that holds no run: it was mistyped, nothing is wrong with a run."""
    from routenator.engine.ledger.schema import database_path

    if not database_path(run_dir).is_file():
        raise InputError([Fault("RUN_DIR", f"no run at {run_dir}", "Give the directory of a run")])


def _check_values(reader: LedgerReader, wanted: SampleFilter) -> None:
    """Refuse values that no sample of the run has; a run without samples cannot tell."""
    faults = []
    for name in ("route", "error_class", "function", "category", "template"):
        value = getattr(wanted, name)
        known = [str(group[name]) for group in reader.tally(name) if group[name] is not None] if value else []
        if known and value not in known:
            option = f"--{name.replace('_', '-')}"
            faults.append(Fault(option, f"no sample has {value!r}", f"Give one of {', '.join(known)}"))
    if faults:
        raise InputError(faults)


@traces_app.command("list")
def list_traces(
    run_dir: RunDir,
    verdict: Annotated[str | None, typer.Option(help="accepted, rejected or failed.")] = None,
    route: Annotated[str | None, typer.Option(help="Such as text.")] = None,
    error_class: Annotated[str | None, typer.Option(help="What ended the sample, such as length or endpoint.")] = None,
    function: Annotated[str | None, typer.Option(help="Such as search.")] = None,
    category: Annotated[str | None, typer.Option(help="Such as image.")] = None,
    template: Annotated[str | None, typer.Option(help="Prompt template, such as text/plain.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Skip so many.")] = 0,
    as_json: Json = False,
) -> None:
    """List samples by slot, those of every round; filters join.

    Example: routenator traces list runs/demo --verdict rejected --route text
    """
    from routenator.engine.ledger.reader import LedgerReader, SampleFilter
    from routenator.engine.traces.formatting import VERDICT_STYLES
    from routenator.engine.traces.listing import format_samples

    if verdict is not None and verdict not in VERDICT_STYLES:
        fix = f"Give one of {', '.join(VERDICT_STYLES)}"
        raise InputError([Fault("--verdict", f"no such verdict: {verdict}", fix)])
    wanted = SampleFilter(verdict, route, error_class, function, category, template)  # type: ignore[arg-type]
    _check_run(run_dir)
    with LedgerReader(run_dir) as reader:
        total = reader.count_samples(wanted)
        if not total:
            _check_values(reader, wanted)
        rows = reader.samples(wanted, limit, offset)
    if as_json:
        print_json({"total": total, "samples": rows})
        return
    if not rows:
        say(f"no sample here; {total:,} fit these filters", style="dim")
        return
    out.print(format_samples(rows, out.width))
    say(f"{len(rows):,} of {total:,} samples; `routenator traces show {run_dir} TRACE` shows one", style="dim")


@traces_app.command("show")
def show_trace(
    run_dir: RunDir,
    trace_id: Annotated[str, typer.Argument(help="Slot, or slot.round.", metavar="TRACE")],
    as_json: Json = False,
) -> None:
    """Show one sample: its walk, its nodes, every prompt, reply and critique.

    A slot alone means its accepted sample, or its latest.

    Example: routenator traces show runs/demo 17.0
    """
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.sample import SampleKey
    from routenator.engine.traces.formatting import format_trace

    match = re.fullmatch(r"(\d{1,18})(?:\.(\d{1,9}))?", trace_id, re.ASCII)
    if match is None:
        raise InputError([Fault("TRACE", f"{trace_id!r} is no trace", "Give a slot, or slot.round, such as 17.0")])
    slot = int(match[1])
    _check_run(run_dir)
    with LedgerReader(run_dir) as reader:
        key = SampleKey(slot, int(match[2])) if match[2] else reader.shown_sample(slot)
        record = None if key is None else reader.trace(key)
        is_without_trace = record is None and key is not None and reader.sample(key) is not None
    if is_without_trace:
        fix = f"`traces: true` in the recipe keeps those to come; `routenator traces list {run_dir} --json` has its row"
        raise InputError([Fault("TRACE", f"sample {trace_id} is there, but the run kept no trace of it", fix)])
    if record is None:
        fix = f"`routenator traces list {run_dir}` names those that are there"
        raise InputError([Fault("TRACE", f"the run has no sample {trace_id}", fix)])
    if as_json:
        print_json(record)
    else:
        out.print(format_trace(record))
