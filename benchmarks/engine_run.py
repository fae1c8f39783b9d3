"""One real run against an endpoint, measured: plan, graph, rules, rows and traces on the disk, duplicates.

    python benchmarks/engine_run.py --base-url http://127.0.0.1:8000/v1 --rows 1000 --in-flight 64

The run is made by the pieces that `routenator generate` puts together, on the shipped design pack with text routes
only, since those ask a model for every row. What is measured begins with the first sample and ends when every row is
committed and duplicates are dealt with; loading and probing, which a run does once, are left out. Prints one line of
JSON. ``--profile FILE`` writes what cProfile saw of the measured part.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import resource
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

# As `routenator` does, before numpy is loaded: its threads would cost the sentence model's products many times the CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import orjson
import uvloop
import yaml

from routenator.engine.cli.garbage import collect_seldom
from routenator.engine.cli.inputs import MAY_CHANGE, load_inputs
from routenator.engine.cli.services import Knowledge, connect, make_worker_runner, resolve_meta
from routenator.engine.ledger.run_directory import RunDirectory
from routenator.engine.runs.coordinator import Coordinator
from routenator.engine.runs.worker import LocalWorker

TARGETS = {
    "text": {
        "route": {"text": 1.0},
        "function": {"search": 0.6, "generate": 0.4},
        "category": {"image": 0.5, "template": 0.2, "icon": 0.15, "background": 0.15},
        "length": {"7-9": 0.6, "10-14": 0.4},
        "phrasing": {"fragment": 0.0, "imperative": 1.0},
        "keyword_position": {"middle": 0.5, "end": 0.5},
    },
    "heuristic": {
        "route": {"heuristic": 1.0},
        "function": {"search": 0.6, "generate": 0.4},
        "category": {"image": 0.5, "template": 0.2, "icon": 0.15, "background": 0.15},
        "length": {"4-6": 0.4, "7-12": 0.6},
        "phrasing": {"imperative": 1.0},
        "keyword_position": {"middle": 0.5, "end": 0.5},
    },
}
"""Route → targets that are independent of each other and that every walk of the pack can serve."""
JUDGED = {"function": {"search": 1.0}, "category": {"image": 1.0}}
"""The label by which the fake judges every query."""


def write_files(
    folder: Path,
    base_url: str,
    rows: int,
    in_flight: int,
    transport: str,
    traces: bool,
    route: str,
    judge: bool = False,
) -> Path:
    """A copy of the design pack with `TARGETS`, an endpoints file and a recipe in ``folder``; the recipe's path."""
    pack = folder / "pack"
    shutil.copytree(Path(str(resources.files("routenator") / "domains" / "design")), pack)
    tables = [
        {"axes": [axis], "marginals": [{"axes": [axis], "shares": {k: v for k, v in shares.items() if v}}]}
        for axis, shares in (TARGETS[route] | (JUDGED if judge else {})).items()
    ]
    (pack / "targets.yaml").write_text(yaml.safe_dump({"tables": tables}))
    endpoint = {
        "base_url": base_url,
        "model": "fake",
        "transport": transport,
        "max_in_flight": in_flight,
        "timeout_s": 600,
        "vision": False,
    }
    roles = {"text": "fake", "judge": "fake"} if judge else {"text": "fake"}
    (folder / "endpoints.yaml").write_text(yaml.safe_dump({"endpoints": {"fake": endpoint}, "roles": roles}))
    recipe = {
        "pack": "pack",
        "rows": rows,
        "seed": 7,
        "endpoints": "endpoints.yaml",
        "max_in_flight": in_flight,
        "max_rounds": 1,
        "traces": traces,
        "critique": {"judge_pairs": 0, "max_attempts": 4},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "recipe.yaml"


async def measure(
    recipe: Path, run_dir: Path, *, sentences: bool, judge: bool, profiler: cProfile.Profile | None
) -> dict[str, Any]:
    """Run ``recipe`` into ``run_dir``.

    Args:
        recipe: The recipe file.
        run_dir: Made anew.
        sentences: Check label consistency with the sentence model.
        judge: Let the judge vote, as if it had earned it: two calls for each row.
        profiler: Sees the measured part.
    """
    inputs = load_inputs(recipe, {})
    rows, in_flight = inputs.recipe.rows, inputs.recipe.max_in_flight
    with RunDirectory.create_or_open(
        run_dir, identity=inputs.identity(), planned_rows=rows, may_change=MAY_CHANGE
    ) as directory:
        async with connect(inputs.endpoints, {}) as pool:
            knowledge = await asyncio.to_thread(Knowledge.load, inputs, _say_nothing)
            if not sentences:
                knowledge = replace(knowledge, sentences=None, consistency=None)
            meta = await resolve_meta(inputs, knowledge, pool, _say_nothing)
            if judge:
                meta = replace(meta, calibrations=({"voter": "judge", "votes": True},))
            runner = make_worker_runner(inputs, knowledge, pool, meta)
            async with LocalWorker(run_dir, directory.layout, inputs.recipe, runner, max_in_flight=in_flight) as worker:
                coordinator = Coordinator(
                    run_dir,
                    inputs.recipe,
                    directory.layout,
                    [worker],
                    targets=meta.plan.expected_counts("route"),
                    max_in_flight=in_flight,
                )
                with collect_seldom():
                    _forget_peak()
                    start_mb, wall = _peak_mb(), time.perf_counter()
                    cpu, loop_cpu = time.process_time(), time.thread_time()
                    if profiler is not None:
                        profiler.enable()
                    await coordinator.fill()
                    if profiler is not None:
                        profiler.disable()
                    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                    loop_cpu = time.thread_time() - loop_cpu
    samples = _read_rows(run_dir)
    refusals = Counter(reason for _, _, reasons in samples for reason in orjson.loads(reasons))
    return {
        "samples": sum(verdict == "accepted" for verdict, _, _ in samples),
        "calls": sum(attempts for _, attempts, _ in samples) + 2 * judge * len(samples),
        "wall_s": wall,
        "cpu_s": cpu,
        "loop_cpu_s": loop_cpu,
        "peak_mb": _peak_mb(),
        "start_mb": start_mb,
        "refusals": dict(refusals.most_common()),
    }


def _say_nothing(message: str) -> None:
    """What a run says at its start is not for here."""


def _read_rows(run_dir: Path) -> list[tuple[str, int, str]]:
    """Verdict, attempts and the rules' refusals of every sample."""
    rows = []
    for path in run_dir.glob("run*.db"):
        with closing(sqlite3.connect(path)) as connection:
            rows += connection.execute("SELECT verdict, attempts, reasons FROM sample").fetchall()
    return rows


def _forget_peak() -> None:
    """Let the peak begin anew: loading the sentence model takes more than the run. Elsewhere than on Linux it stays."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Most memory that was resident, in MB."""
    with suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--transport", choices=("openai", "aiohttp"), default="openai")
    parser.add_argument("--no-traces", dest="traces", action="store_false")
    parser.add_argument("--sentences", action="store_true")
    parser.add_argument("--judge", action="store_true", help="needs fake_vllm.py --right")
    parser.add_argument("--route", choices=tuple(TARGETS), default="text")
    parser.add_argument("--profile", type=Path)
    args = parser.parse_args()
    profiler = cProfile.Profile() if args.profile else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        load = (args.base_url, args.rows, args.in_flight, args.transport, args.traces, args.route)
        recipe = write_files(folder, *load, judge=args.judge)
        measured = measure(recipe, folder / "run", sentences=args.sentences, judge=args.judge, profiler=profiler)
        found = uvloop.run(measured)
    if profiler is not None:
        profiler.dump_stats(args.profile)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
