"""``routenator pause``, ``resume``, ``stop`` and ``set``: control a run at work from another terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from routenator.engine.cli.console import print_json, say
from routenator.engine.cli.generate import Workers, finalize
from routenator.engine.errors import NoRunError, RunError

if TYPE_CHECKING:
    from routenator.engine.runs.states import RunState

RunDir = Annotated[Path, typer.Argument(help="Directory of the run.", metavar="RUN_DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")]

_POLL_S = 0.2
_SOCKET_WAIT_S = 3.0


def pause(run_dir: RunDir, as_json: Json = False) -> None:
    """Begin no more samples; those in flight end and are committed. The process stays, and waits for `resume`.

    Example: routenator pause runs/demo
    """
    state = _ask_running(run_dir, {"do": "pause"})
    _tell(as_json, "paused", state, f"Paused; {state.in_flight:,} samples in flight end first.")


def resume(run_dir: RunDir, workers: Workers = None, as_json: Json = False) -> None:
    """Go on: a paused run begins samples again; one that no process runs is continued from its directory.

    Example: routenator resume runs/demo
    """
    pid = _running_pid(run_dir)
    if pid is None:
        say(f"No process runs {run_dir}: going on from its directory.")
        finalize(run_dir, workers=workers, as_json=as_json)
        return
    if workers is not None:
        what = f"{run_dir} is run by process {pid}, whose workers are there already"
        raise RunError(what, hint=f"Leave --workers out, or `routenator stop {run_dir} --wait` first")
    state = _ask_running(run_dir, {"do": "resume"})
    _tell(as_json, "resumed", state, f"Resumed: {state.accepted:,} of {state.planned:,} rows are there.")


def stop(
    run_dir: RunDir,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the process has ended.")] = False,
    as_json: Json = False,
) -> None:
    """End a run as one Ctrl-C does: what is in flight ends and is committed. The same command or `resume` goes on.

    One that still loads leaves at once. A run that no process runs is as it should be: exit code 0.

    Example: routenator stop runs/demo --wait
    """
    from routenator.engine.runs.window import DRAIN_S

    pid = _running_pid(run_dir)
    if pid is None:
        _tell(as_json, "not running", None, f"No process runs {run_dir}.")
        return
    state = _ask_running(run_dir, {"do": "stop"})
    if wait:
        sentence = f"Stopped. `routenator resume {run_dir}` goes on."
        try:
            while _running_pid(run_dir) is not None:
                time.sleep(_POLL_S)
        except NoRunError:
            sentence = "Stopped before it had begun, so nothing is kept: give its command again."
        _tell(as_json, "stopped", None, sentence)
    elif not state.workers:
        _tell(as_json, "stopping", state, f"Stopping at once: it was {state.phase}, and nothing is in flight.")
    else:
        _tell(
            as_json, "stopping", state, f"Stopping; {state.in_flight:,} samples in flight have {DRAIN_S:.0f} s to end."
        )


def set_limits(
    run_dir: RunDir,
    max_in_flight: Annotated[
        int, typer.Option(min=1, max=100_000, help="Samples at once, over all workers, until the run's end.")
    ],
    as_json: Json = False,
) -> None:
    """Change how many samples a run at work has in flight. The recipe stays as it is.

    Example: routenator set runs/demo --max-in-flight 128
    """
    state = _ask_running(run_dir, {"do": "set", "max_in_flight": max_in_flight})
    _tell(as_json, "set", state, f"At most {state.max_in_flight:,} in flight from now on; now {state.in_flight:,}.")


def _running_pid(run_dir: Path) -> int | None:
    """Process that runs the run, or ``None``; what is no run is refused."""
    from routenator.engine.ledger.reader import LedgerReader
    from routenator.engine.ledger.run_directory import running_pid

    LedgerReader(run_dir).close()
    return running_pid(run_dir)


def _ask_running(run_dir: Path, request: dict[str, Any]) -> RunState:
    from routenator.engine.runs.control import SOCKET_NAME, ask

    # A process has its socket an instant after its lock; on a file system without sockets it never has.
    deadline = time.monotonic() + _SOCKET_WAIT_S
    while (is_running := _running_pid(run_dir) is not None) and not (run_dir / SOCKET_NAME).exists():
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    if not is_running:
        raise RunError(f"no process runs {run_dir}", hint=f"`routenator resume {run_dir}` goes on with it")
    return ask(run_dir, request)


def _tell(as_json: bool, done: str, state: RunState | None, sentence: str) -> None:
    if as_json:
        from routenator.engine.cli.run_view import state_to_json

        print_json({"done": done, "state": None if state is None else state_to_json(state)})
    else:
        say(sentence)
