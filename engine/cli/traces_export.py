"""``routenator traces export``: a run's samples as OpenTelemetry traces, sent by a process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE, say
from routenator.engine.errors import Fault, InputError

if TYPE_CHECKING:
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.sample import SampleKey
    from routenator.engine.traces.otlp import SpanMaker, TraceSender

SAMPLES_A_BATCH = 100
FOLLOW_EVERY_S = 1.0


def export_traces(
    run_dir: Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")],
    otlp: Annotated[str, typer.Option(help="Address of the backend, such as http://localhost:4318.", metavar="URL")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the run ends.")] = False,
    after: Annotated[
        list[str] | None, typer.Option(help="Go on behind this trace; once for each ledger.", metavar="TRACE")
    ] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds of patience with one batch.")] = 30.0,
) -> None:
    """Send a run's samples to an OpenTelemetry backend; sent twice, a sample is the same trace.

    It reads the ledger in a process of its own: a run never waits for a backend.

    Example: routenator traces export runs/demo --otlp http://localhost:4318 --follow
    """
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.ledger.run_directory import running_pid
    from routenator.engine.traces.otlp import BackendError, SpanMaker, TraceSender

    if not re.match(r"https?://[^/\s]", otlp):
        raise InputError([Fault("--otlp", f"{otlp!r} is no address", "Give one such as http://localhost:4318")])
    with LedgerReader(run_dir) as reader:
        sent_to = _places(reader, after or ())
        maker = SpanMaker(reader.meta()["run_id"])
        sender = TraceSender(otlp, timeout_s)
        sent = 0
        try:
            while True:
                # Looked up first: what a run commits before it ends is read below.
                goes_on = follow and running_pid(run_dir) is not None
                for ledger in range(reader.layout.ledgers):
                    while keys := reader.committed_after(ledger, sent_to.get(ledger), SAMPLES_A_BATCH):
                        sent += _send(reader, keys, maker, sender)
                        sent_to[ledger] = keys[-1]
                if not goes_on:
                    break
                time.sleep(FOLLOW_EVERY_S)
        except BackendError as exc:
            say(exc.what, style="bold red")
            places = "".join(f" --after {key.trace_id}" for _, key in sorted(sent_to.items()))
            more = " --follow" if follow else ""
            say(f"{sent:,} traces were sent. Go on: routenator traces export {run_dir} --otlp {otlp}{more}{places}")
            raise typer.Exit(EXIT_INCOMPLETE) from None
        finally:
            sender.close()
    say(f"{sent:,} traces sent to {sender.url}")


def _send(reader: LedgerReader, keys: Iterable[SampleKey], maker: SpanMaker, sender: TraceSender) -> int:
    """Send these samples; how many there were of them, for one without a trace is left out."""
    records = [record for key in keys if (record := reader.trace(key)) is not None]
    if records:
        sender.send([span for record in records for span in maker.make(record)])
    return len(records)


def _places(reader: LedgerReader, after: Iterable[str]) -> dict[int, SampleKey]:
    """Ledger → the sample that was sent last."""
    from routenator.engine.sample import SampleKey

    places = {}
    for text in after:
        match = re.fullmatch(r"(\d{1,18})\.(\d{1,9})", text, re.ASCII)
        key = SampleKey(int(match[1]), int(match[2])) if match else None
        if key is None or reader.sample(key) is None:
            raise InputError([Fault("--after", f"the run has no sample {text}", "Give slot.round, such as 17.0")])
        places[reader.layout.ledger_of(key.slot)] = key
    return places
