"""A run directory of a million rows, filled through the engine's own writer, and what it costs to look into it.

    python benchmarks/million.py fill RUN_DIR [--rows 1000000] [--leave-open 1000]
    python benchmarks/million.py measure RUN_DIR
    python benchmarks/million.py resume RUN_DIR

``fill`` goes on where it stopped. It writes a recipe for an endpoint on loopback beside the run, ``RUN_DIR.yaml``, and
puts samples of the design pack into all but the last slots: strata, walks and grammars are real; prompts, replies and
latencies are made up. A tenth of the first rounds is rejected and gets a second one.
``resume`` starts ``generate`` on a copy of the run and says when its first request arrives; ``RUN_DIR`` stays as it is.
``measure`` runs each command in a process of its own and prints wall and CPU seconds, and peak memory in MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from routenator.engine.cli.inputs import load_inputs
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.ledger.schema import connect_writer, write_meta
from routenator.engine.llm.embedded_models import cache_folder
from routenator.engine.prompting.grammar import Grammar, slot_values
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import Candidate, Completion, Grounding, SampleKey, SampleRecord, derive_seed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from factories import make_record
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from fakes.writer import Writer

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


def make_samples(
    plan: Plan,
    walker: Walker,
    grammar: Grammar,
    forms_of: Callable[[Any], Any],
    keywords_of: Callable[[Any], Any],
) -> Callable[[SampleKey], SampleRecord]:
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
        last = replace(
            skeleton.attempts[-1], candidate=candidate, completion=_ask(skeleton.attempts[-1].completion, query)
        )
        record: SampleRecord = replace(
            skeleton,
            key=key,
            stratum=stratum,
            grounding=grounding,
            candidate=candidate,
            attempts=(*skeleton.attempts[:-1], last),
        )
        return record

    return sample


def write_recipe(path: Path, rows: int, base_url: str = "http://127.0.0.1:9/v1") -> Path:
    """The run's recipe and its endpoints file, whose address may differ when the run is continued."""
    recipe, endpoints = path.with_name(f"{path.name}.yaml"), path.with_name(f"{path.name}-endpoints.yaml")
    server = {"base_url": base_url, "model": "fake", "max_in_flight": 64}
    endpoints.write_text(
        json.dumps({"endpoints": {"fake": server}, "roles": {"text": "fake", "vision": "fake", "judge": None}})
    )
    critique = {"judge_pairs": 0, "min_consistency": -1}
    settings = {"pack": "design", "rows": rows, "seed": 7, "endpoints": str(endpoints.resolve()), "max_rounds": 3}
    recipe.write_text(json.dumps(settings | {"critique": critique, "max_in_flight": 64}))
    return recipe


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _ask(completion: Completion | None, query: str) -> Completion | None:
    """The completion with a prompt that no other sample has, as in a real run."""
    if completion is None:
        return None
    return replace(completion, messages=(*completion.messages, {"role": "user", "content": f"{query}\n" * 6}))


async def fill(path: Path, rows: int, leave_open: int) -> None:
    """Put a sample into every open slot but the last ones, in slot order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = load_inputs(write_recipe(path, rows), {})
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
    meta = RunMeta.from_pack(pack, plan).to_meta() | {"route_targets": plan.expected_counts("route")}
    done, began = 0, time.monotonic()

    def fail(failure: BaseException) -> None:
        raise SystemExit(str(failure))

    with RunDirectory.create_or_open(path, identity=identity, planned_rows=rows, ledgers=LEDGERS) as directory:
        writers = [LedgerWriter(path, fail, ledger) for ledger in range(directory.layout.ledgers)]
        await writers[0].set_meta(**meta)
        with LedgerReader(path) as reader:
            for _ in range(MAX_ROUNDS + 1):
                for key in reader.open_slots(MAX_ROUNDS):
                    if key.slot >= rows - leave_open:
                        break
                    await writers[directory.layout.ledger_of(key.slot)].put(sample(key))
                    done += 1
                    if done % 50_000 == 0:
                        rate = done / (time.monotonic() - began)
                        print(f"{done:,} samples, {rate:,.0f} a second, {resident_mb():.1f} MB", flush=True)
                for writer in writers:
                    await writer.flush()
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


def resume(path: Path) -> None:
    """Let `generate` go on with a copy of the run, kill it when its first sample asks, and print how long it took."""
    copy = path.with_name(f"{path.name}-resumed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    with LedgerReader(copy) as reader:
        rows = reader.planned_rows()
    asked = threading.Event()

    def answer(body: dict[str, Any]) -> Reply:
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
        if "query" in schema.get("properties", {}):  # a sample asks; the check of the endpoint asks for other things
            asked.set()
        reply: Reply = Writer().answer(body)
        return reply

    with serve_in_thread(FakeEndpoint(answer=answer, vision=True)) as fake:
        recipe = write_recipe(path, rows, fake.base_url)
        with closing(connect_writer(copy)) as connection:  # prompts and pack may have changed since the run was filled
            write_meta(connection, {"identity": load_inputs(recipe, {}).identity()})
        began = time.perf_counter()
        command = [sys.executable, "-m", "routenator", "generate", str(recipe), "--out", str(copy)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        asked.wait(600)
        first_s = round(time.perf_counter() - began, 2)
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
    peak_mb = round(usage.ru_maxrss / 1024)
    print(json.dumps({"what": "resume", "first_request_s": first_s if asked.is_set() else None, "peak_mb": peak_mb}))
    shutil.rmtree(copy)


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
    parser.add_argument("action", choices=("fill", "measure", "resume"))
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--leave-open", type=int, default=1_000, help="slots that stay open")
    arguments = parser.parse_args()
    if arguments.action == "fill":
        asyncio.run(fill(arguments.run_dir, arguments.rows, arguments.leave_open))
    elif arguments.action == "measure":
        measure(arguments.run_dir)
    else:
        resume(arguments.run_dir)


if __name__ == "__main__":
    main()
