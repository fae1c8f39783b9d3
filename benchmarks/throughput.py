"""What a sample costs: the engine beside the bare OpenAI SDK, against a fake vLLM in a process of its own.

    just bench
    python benchmarks/throughput.py --rows-growth
    python benchmarks/throughput.py --sentences

Each line is a process of its own (`reference.py`, `engine_run.py`), the lines of one concurrency one after another, so
that a noisy machine is as noisy for all of them; with ``--repeats`` the medians are shown.

A sample takes two calls. The engine's are two attempts: the first answer has a fault that a rule refuses, the second
heeds the feedback. So the state machine takes six steps (route, walk, generate, critique, generate, critique), the
rules run twice, and the row and the trace of both attempts are on the disk at the end. The reference sends two requests
of the same form and keeps nothing. The line with a judge is a sample that nothing is wrong with: four steps, one
generation and the two calls of a judge's vote, so three calls against the reference's two. Consistency by the sentence
model is left out but for the line that says so.

CPU is that of the process with all its threads, without the fake's. Efficiency is the ideal wall time, which is
``samples x calls x latency / in flight``, by the wall time that it took. It falls where the calls in flight need more
than one core: 256 in flight at 200 ms would be 1,280 calls a second. So there is a line at a latency that one core can
serve.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from engine_run import write_files

HERE = Path(__file__).parent
SAMPLES = {64: 640, 256: 1_280, 1024: 2_048}
"""Samples in flight → samples to run."""
LONG_LATENCY_MS = 1_000.0
LONG_SAMPLES = 20_480
"""Eighty for each in flight: the start and the last ones, which run out one by one, weigh little in the efficiency."""
SENTENCE_ROWS = 640
WORKER_ROWS = 1_500
GROWTH = (1_000, 10_000, 100_000)
_SPREAD = 0.2
_COLUMNS = "{:34} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7} {:>6}"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        script: What runs.
        arguments: Of the script, beside the load.
    """

    name: str
    script: str
    arguments: tuple[str, ...] = ()


REFERENCE = Line("reference: bare SDK, keeps nothing", "reference.py")
ENGINE = Line("engine, transport openai", "engine_run.py")
LEAN = Line("engine, transport aiohttp", "engine_run.py", ("--transport", "aiohttp"))
UNTRACED = Line("engine, aiohttp, no traces", "engine_run.py", ("--transport", "aiohttp", "--no-traces"))
JUDGED = Line("engine, aiohttp, 1 + 2 judge's calls", "engine_run.py", ("--transport", "aiohttp", "--judge"))
CHECKED = Line("engine, aiohttp, sentence model", "engine_run.py", ("--transport", "aiohttp", "--sentences"))


@contextmanager
def fake_vllm(latency_ms: float, is_right: bool = False) -> Iterator[str]:
    """Base URL of a fake in a process of its own; ``is_right``: its first answer passes the rules."""
    command = [sys.executable, str(HERE / "fake_vllm.py"), "--latency-ms", str(latency_ms), "--spread", str(_SPREAD)]
    command += ["--right"] if is_right else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def run_line(line: Line, base_url: str, samples: int, in_flight: int) -> dict[str, Any]:
    """Run it in a process of its own; what it measured."""
    count = "--samples" if line is REFERENCE else "--rows"
    command = [sys.executable, str(HERE / line.script), "--base-url", base_url, count, str(samples)]
    command += ["--in-flight", str(in_flight), *line.arguments]
    found: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    if found["samples"] < samples:
        print(f"only {found['samples']} of {samples} samples were accepted: {found['refusals']}", file=sys.stderr)
    return found


def show_header() -> None:
    """The columns' names."""
    names = ("", "in flight", "latency", "samples/s", "CPU ms", "of ref.", "peak MB", "calls", "effic.")
    print(_COLUMNS.format(*names), flush=True)


def show(
    line: Line, runs: list[dict[str, Any]], in_flight: int, latency_ms: float, reference_ms: float | None
) -> float:
    """Print the medians of ``runs``; CPU milliseconds a sample."""

    def median(key: str) -> float:
        return statistics.median(run[key] for run in runs)

    cpu_ms = statistics.median(run["cpu_s"] / run["samples"] for run in runs) * 1000
    calls = statistics.median(run["calls"] / run["samples"] for run in runs)
    ideal_s = median("calls") * latency_ms / 1000 / min(in_flight, median("samples"))
    print(
        _COLUMNS.format(
            line.name,
            in_flight,
            f"{latency_ms:g} ms",
            f"{statistics.median(run['samples'] / run['wall_s'] for run in runs):.0f}",
            f"{cpu_ms:.2f}",
            "" if reference_ms is None else f"{cpu_ms / reference_ms:.2f}",
            f"{median('peak_mb'):.0f}",
            f"{calls:.2f}",
            f"{ideal_s / median('wall_s'):.2f}",
        ),
        flush=True,
    )
    return cpu_ms


def compare(lines: tuple[Line, ...], in_flight: int, samples: int, latency_ms: float, repeats: int) -> None:
    """Run ``lines`` one after another, ``repeats`` times, and print them."""
    runs: dict[str, list[dict[str, Any]]] = {line.name: [] for line in lines}
    with fake_vllm(latency_ms, is_right=JUDGED in lines) as base_url:
        for _ in range(repeats):
            for line in lines:
                runs[line.name].append(run_line(line, base_url, samples, in_flight))
    reference_ms = None
    for line in lines:
        cpu_ms = show(line, runs[line.name], in_flight, latency_ms, reference_ms)
        if line is REFERENCE:
            reference_ms = cpu_ms


def scale_workers(rows: int) -> None:
    """Print how much faster two workers are than one where no model is asked: `routenator generate` on grammars."""
    rates = {}
    with fake_vllm(1.0) as base_url:
        for workers in (1, 2):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                recipe = write_files(folder, base_url, rows, 64, "aiohttp", True, "heuristic")
                command = [sys.executable, "-m", "routenator", "generate", str(recipe), "--out", str(folder / "run")]
                # Exit code 1 says that rows are missing: grammars make duplicates, and there is one round to refill.
                ended = subprocess.run([*command, "--workers", str(workers)], capture_output=True, text=True)
                if ended.returncode not in (0, 1):
                    sys.exit(ended.stderr)
                rates[workers] = _samples_s(folder / "run")
    gain = rates[2] / rates[1]
    print(f"\n{rows} rows by grammars, {os.cpu_count()} cores: {rates[1]:.0f} samples/s with 1 worker, ", end="")
    print(f"{rates[2]:.0f} with 2: {gain:.2f} times")


def _samples_s(run_dir: Path) -> float:
    """Samples a second from the first one's start to the last one's commit."""
    began, ended, samples = [], [], 0
    for path in run_dir.glob("run*.db"):
        with closing(sqlite3.connect(path)) as connection:
            columns = "min(started_at), max(committed_at), count(*)"
            first, last, count = connection.execute(f"SELECT {columns} FROM sample").fetchone()
        samples += count
        began.append(datetime.fromisoformat(first).timestamp())
        ended.append(float(last))
    return samples / (max(ended) - min(began))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--in-flight", type=int, nargs="*", default=list(SAMPLES), choices=list(SAMPLES))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--rows-growth", action="store_true", help="1,000, 10,000, 100,000 rows; takes ten minutes")
    parser.add_argument("--sentences", action="store_true", help="what the sentence model adds, and nothing else")
    args = parser.parse_args()
    show_header()
    if args.sentences:
        compare((LEAN, CHECKED), 64, SENTENCE_ROWS, args.latency_ms, args.repeats)
        return
    if args.rows_growth:
        with fake_vllm(args.latency_ms) as base_url:
            for rows in GROWTH:
                show(LEAN, [run_line(LEAN, base_url, rows, 256)], 256, args.latency_ms, None)
        return
    for in_flight in args.in_flight:
        compare((REFERENCE, ENGINE, LEAN, UNTRACED), in_flight, SAMPLES[in_flight], args.latency_ms, args.repeats)
        compare((REFERENCE, JUDGED), in_flight, SAMPLES[in_flight], args.latency_ms, args.repeats)
    compare((LEAN,), 256, LONG_SAMPLES, LONG_LATENCY_MS, 1)
    compare((CHECKED,), 64, SENTENCE_ROWS, args.latency_ms, 1)
    scale_workers(WORKER_ROWS)


if __name__ == "__main__":
    main()
