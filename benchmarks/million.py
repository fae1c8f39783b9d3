"""A run directory of a million rows, filled through the engine's own writer, and what it costs to look into it.

    python benchmarks/million.py fill RUN_DIR [--rows 1000000] [--stop-after SAMPLES]
    python benchmarks/million.py measure RUN_DIR

``fill`` goes on where it stopped. Plan, strata, walks and grammars are those of ``recipes/demo.yaml``; prompts, replies
and latencies are made up. A tenth of the first rounds is rejected and gets a second one.
``measure`` runs each command in a process of its own and prints wall and CPU seconds, and peak memory in MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from routenator.engine.cli.inputs import find_recipe, load_inputs
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.llm.embedded_models import cache_folder
from routenator.engine.prompting.grammar import Grammar, slot_values
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import Candidate, Grounding, SampleKey, SampleRecord, derive_seed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from factories import make_record

LEDGERS = 2
MAX_ROUNDS = 1
SKELETONS = 2_000
_FIRST_OPEN_SLOT = """
import sys; from pathlib import Path; from routenator.engine.ledger import LedgerReader
with LedgerReader(Path(sys.argv[1])) as reader: print(next(reader.open_slots(8), None))
"""
_DUPLICATES = """
import sys; from pathlib import Path; from routenator.engine.datasets.near_duplicates import find_duplicates
from routenator.engine.ledger import LedgerReader; from routenator.engine.sample import SampleKey
with LedgerReader(Path(sys.argv[1])) as reader:
    rows = ((SampleKey(*key), query) for *key, query in reader.accepted_columns("slot", "round", "query"))
    print(len(find_duplicates(rows, 0.9)))
"""
_DATASET = """
import sys, tempfile; from pathlib import Path; from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.writing import write_dataset; from routenator.engine.ledger import LedgerReader
with LedgerReader(Path(sys.argv[1])) as reader, tempfile.TemporaryDirectory() as folder:
    print(write_dataset(map(DatasetRow.from_ledger, reader.accepted_rows()), Path(folder)).rows)
"""


def make_samples(plan: Plan, walker: Walker, grammar: Grammar, forms_of: Callable, keywords_of: Callable) -> Callable:
    """A function from a key to its finished sample."""
    skeletons = {
        verdict: [make_record(slot, verdict=verdict) for slot in range(SKELETONS)]
        for verdict in ("accepted", "rejected")
    }

    def sample(key: SampleKey) -> SampleRecord:
        seed = derive_seed("million", key.slot, key.round)
        stratum = plan.stratum(key.slot)
        skeleton = skeletons["rejected" if key.round == 0 and seed % 10 == 0 else "accepted"][seed % SKELETONS]
        nodes, hops = walker.walk(stratum.function, stratum.category, seed)
        grounding = Grounding(nodes, hops, skeleton.grounding.content if skeleton.grounding else None)
        values = slot_values(forms_of(nodes), keywords_of(stratum))
        query, _ = grammar.generate(stratum.phrasing, values, seed, lambda text: True)
        query = query or f"{nodes[1].label} {nodes[-2].label}"
        candidate = Candidate(query, {"content_type": stratum.category, "prompt": nodes[-2].label})
        last = replace(skeleton.attempts[-1], candidate=candidate)
        return replace(
            skeleton,
            key=key,
            stratum=stratum,
            grounding=grounding,
            candidate=candidate,
            attempts=(*skeleton.attempts[:-1], last),
        )

    return sample


async def fill(path: Path, rows: int, stop_after: int | None) -> None:
    """Put a sample into every open slot, in slot order."""
    inputs = load_inputs(find_recipe("demo"), {"rows": rows})
    pack, plan = inputs.pack, Plan(inputs.tables, rows, inputs.recipe.seed)
    walker = Walker(load_adjacency(build_graph(pack, cache_folder() / "graphs")), pack.spec.walk)
    grammar = next(prompt for prompt in inputs.prompts.prompts.values() if isinstance(prompt, Grammar))
    sample = make_samples(
        plan,
        walker,
        grammar,
        lambda nodes: [(node.type, (node.label, *pack.nodes_by_id[node.id].aliases)) for node in nodes],
        lambda stratum: pack.spec.categories[stratum.category].keywords[stratum.language],
    )
    identity = inputs.identity()
    details = RunMeta.from_pack(pack, plan).to_meta() | {"route_targets": plan.expected_counts("route")}
    done, began = 0, time.monotonic()

    def fail(failure: BaseException) -> None:
        raise SystemExit(str(failure))

    with RunDirectory.create_or_open(
        path, identity=identity, planned_rows=rows, details=details, ledgers=LEDGERS
    ) as directory:
        writers = [LedgerWriter(path, fail, ledger) for ledger in range(directory.layout.ledgers)]
        with LedgerReader(path) as reader:
            for _ in range(MAX_ROUNDS + 1):
                for key in reader.open_slots(MAX_ROUNDS):
                    await writers[directory.layout.ledger_of(key.slot)].put(sample(key))
                    done += 1
                    if done % 10_000 == 0:
                        print(f"{done:,} samples, {done / (time.monotonic() - began):,.0f} a second", flush=True)
                    if done == stop_after:
                        break
                for writer in writers:
                    await writer.flush()
                if done == stop_after:
                    break
        for writer in writers:
            await writer.close()


def run_measured(arguments: list[str]) -> dict[str, float]:
    """Wall and CPU seconds, peak memory in MB and exit code of a process."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    return {
        "wall_s": round(time.perf_counter() - began, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "exit": os.waitstatus_to_exitcode(status),
    }


def measure(path: Path) -> None:
    """Print one JSON line for each command."""
    with LedgerReader(path) as reader:
        accepted = reader.counts().accepted
        samples = sum(group["samples"] for group in reader.tally("verdict"))
    print(json.dumps({"accepted": accepted, "samples": samples}))
    command, run = [sys.executable, "-m", "routenator"], str(path)
    export = path.with_name(f"{path.name}-trl.jsonl")
    listed = [*command, "traces", "list", run]
    for name, arguments in {
        "imports": [*command, "--help"],
        "status": [*command, "status", run],
        "list, first page": listed,
        "list, last page": [*listed, "--offset", str(max(0, samples - 50))],
        "list, filtered": [*listed, "--verdict", "rejected", "--route", "text"],
        "show": [*command, "traces", "show", run, "17"],
        "first open slot": [sys.executable, "-c", _FIRST_OPEN_SLOT, run],
        "report": [*command, "report", run],
        "report --json": [*command, "report", run, "--json"],
        "duplicates": [sys.executable, "-c", _DUPLICATES, run],
        "dataset": [sys.executable, "-c", _DATASET, run],
        "export trl": [*command, "export", run, "--format", "trl", "--out", str(export)],
    }.items():
        print(json.dumps({"what": name, **run_measured(arguments)}), flush=True)
    export.unlink(missing_ok=True)


def main() -> None:
    """Fill or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("fill", "measure"))
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--stop-after", type=int, default=None, help="fill so many samples now")
    arguments = parser.parse_args()
    if arguments.action == "fill":
        asyncio.run(fill(arguments.run_dir, arguments.rows, arguments.stop_after))
    else:
        measure(arguments.run_dir)


if __name__ == "__main__":
    main()
