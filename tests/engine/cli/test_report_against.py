import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from factories import make_record
from typer.testing import CliRunner

from routenator.engine.cli.report import report
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import InputError
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan

app = typer.Typer()
app.command("report")(report)

ROWS = 40
OTHERS = [f"where can one rent bicycle number {n} near the old {place} tomorrow" for n in range(9) for place in "abcde"]


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Forty delivered rows."""
    folder = tmp_path_factory.mktemp("against")
    pack = load_pack(shutil.copytree(Path(__file__).parents[2] / "packs" / "tiny", folder / "tiny"))
    plan = Plan(fit_targets(pack.targets), ROWS, seed=3)
    path = folder / "party"
    RunDirectory.create_or_open(path, identity={}, planned_rows=ROWS).close()

    async def write():
        async with LedgerWriter(path, lambda failure: None) as writer:
            await writer.set_meta(**RunMeta.from_pack(pack, plan).to_meta())
            for slot in range(ROWS):
                await writer.put(replace(make_record(slot, verdict="accepted"), stratum=plan.stratum(slot)))

    asyncio.run(write())
    return path


def write_queries(path, queries):
    path.write_text("".join(json.dumps({"query": query}) + "\n" for query in queries))
    return path


def test_real_queries_of_another_kind_are_told_apart_and_no_leak(run, tmp_path):
    page = tmp_path / "report.html"
    result = invoke(run, "--against", write_queries(tmp_path / "real.jsonl", OTHERS), "--html", page)
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "No leak found" in words
    assert "tells them apart nearly always" in words
    assert "Against real queries" in page.read_text()
    assert "bicycle" not in result.output + page.read_text()


def test_a_leak_has_exit_code_1_and_names_row_and_line(run, tmp_path):
    with LedgerReader(run) as reader:
        copied = max((query for (query,) in reader.accepted_columns("query")), key=lambda query: len(query.split()))
    real = write_queries(tmp_path / "real.jsonl", [*OTHERS, copied.upper()])
    result = invoke(run, "--against", real, "--json")
    found = json.loads(result.stdout)["against"]
    assert result.exit_code == 1
    assert found["is_leak"]
    assert found["leaks"][0]["matches"][0]["line"] == len(OTHERS) + 1


def test_without_real_queries_the_report_is_as_before(run):
    result = invoke(run, "--json")
    assert result.exit_code == 0
    assert "against" not in json.loads(result.stdout)


def test_a_missing_file_of_queries_is_wrong_input(run, tmp_path):
    result = invoke(run, "--against", tmp_path / "none.jsonl")
    assert isinstance(result.exception, InputError)
