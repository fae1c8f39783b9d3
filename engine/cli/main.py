"""The command line. Commands import what they need when they run, so that ``--help`` is quick and loads no extra."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from routenator.engine.cli.ablate import ablate
from routenator.engine.cli.background_stream import patient
from routenator.engine.cli.check_endpoints import check_endpoints
from routenator.engine.cli.console import EXIT_INTERRUPTED, EXIT_OK, friendly_errors, say, write
from routenator.engine.cli.control import pause, resume, set_limits, stop
from routenator.engine.cli.domain import domain_app
from routenator.engine.cli.evaluate import evaluate
from routenator.engine.cli.export import export
from routenator.engine.cli.fit import fit
from routenator.engine.cli.generate import finalize, generate
from routenator.engine.cli.graph import graph
from routenator.engine.cli.preview import preview
from routenator.engine.cli.repair import repair
from routenator.engine.cli.report import report
from routenator.engine.cli.serve import serve
from routenator.engine.cli.status import status
from routenator.engine.cli.traces import traces_app
from routenator.engine.cli.train import train
from routenator.engine.cli.validate import validate


class _Commands(TyperGroup):
    """The commands, with an end that is ours where typer's is silent (Ctrl-C) or a failure (a pipe that was closed)."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Stopped.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            # Python writes out what is left at its end, and would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(EXIT_OK) from None


app = typer.Typer(
    name="routenator",
    cls=_Commands,
    help="Turn a domain into training data for function-calling models.",
    epilog="Start with: routenator generate demo --rows 50",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    generate, preview, validate, check_endpoints, status, pause, resume, set_limits, stop, finalize, repair, report,
    export, train, evaluate, ablate, fit, serve, graph,
):  # fmt: skip
    app.command("set" if command is set_limits else None)(command)
app.add_typer(traces_app, name="traces")
app.add_typer(domain_app, name="domain")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        write(f"routenator {version('routenator')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the ``routenator`` command."""
    # Before numpy is loaded: its threads cost the sentence model's small products seven times the CPU, and it is the
    # samples in flight that keep the cores busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with patient(sys.stderr) as stderr, redirect_stderr(stderr), friendly_errors():
        app()
