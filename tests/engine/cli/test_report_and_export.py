import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from factories import make_record
from typer.testing import CliRunner

from routenator.engine.cli.export import FormatName, export
from routenator.engine.cli.report import report
from routenator.engine.datasets.formats import FORMATS
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import RunError
from routenator.engine.ledger import LedgerReader, LedgerWriter, RunDirectory
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import SampleKey

app = typer.Typer()
app.command("report")(report)
app.command("export")(export)


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory):
    return shutil.copytree(Path(__file__).parents[2] / "packs" / "tiny", tmp_path_factory.mktemp("packs") / "tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory, pack_folder):
    """Twenty planned rows, of which the last is missing."""
    path = tmp_path_factory.mktemp("runs") / "party"
    pack = load_pack(pack_folder)
    plan = Plan(fit_targets(pack.targets), 20, seed=3)
    RunDirectory.create_or_open(path, identity={}, planned_rows=20).close()

    async def write():
        async with LedgerWriter(path, lambda failure: None) as writer:
            await writer.set_meta(**RunMeta.from_pack(pack, plan, ("vision moved to text",)).to_meta())
            for slot in range(20):
                record = make_record(slot, verdict="rejected" if slot == 19 else "accepted")
                await writer.put(replace(record, stratum=plan.stratum(slot)))

    asyncio.run(write())
    return path


def test_report_prints_and_says_by_its_exit_code_that_a_row_is_missing(run):
    result = invoke("report", run)
    assert result.exit_code == 1
    assert "19 of 20 rows delivered; 1 is missing." in " ".join(result.output.split())
    assert "vision moved to text" in result.output


def test_report_writes_json_and_a_page(run, tmp_path):
    result = invoke("report", run, "--json", "--html", tmp_path / "page" / "report.html")
    data = json.loads(result.stdout.splitlines()[-1])
    assert (data["delivered"], data["missing"], data["facts"]["run"]) == (19, 1, "party")
    assert "19 of 20 rows delivered" in (tmp_path / "page" / "report.html").read_text("utf-8")


def test_report_says_when_the_pack_has_changed_since(run, pack_folder):
    notes = pack_folder / "content.jsonl"
    before = notes.read_bytes()
    notes.write_bytes(before + b"\n")
    try:
        assert "has changed since the run" in " ".join(invoke("report", run, "--summary").output.split())
    finally:
        notes.write_bytes(before)
    assert "has changed" not in invoke("report", run, "--summary").output


def test_a_run_outlives_its_pack(run, pack_folder):
    away = pack_folder.rename(pack_folder.with_name("away"))
    try:
        result = invoke("report", run, "--json")
        assert invoke("export", run, "--format", "trl").exit_code == 0
    finally:
        away.rename(pack_folder)
    assert "phrasing and keyword position are not measured" in " ".join(result.output.split())
    axes = {axis["axes"][0]: axis for axis in json.loads(result.stdout.splitlines()[-1])["axes"]}
    assert axes["length"]["measured_fit"] is not None
    assert axes["phrasing"]["measured_fit"] is axes["keyword_position"]["measured_fit"] is None


@pytest.mark.parametrize("name", FormatName)
def test_export_writes_each_format_into_the_run_by_default(run, name):
    result = invoke("export", run, "--format", name, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["format"], said["rows"]) == (name, 19)
    for file in said["files"]:
        assert Path(file).is_relative_to(run / "export")
        assert len(Path(file).read_text("utf-8").splitlines()) == 19


def test_export_takes_a_file(run, tmp_path):
    assert invoke("export", run, "--format", "bfcl", "--out", tmp_path / "q.json").exit_code == 0
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == ["q.json", "q.json"]


@pytest.mark.fault(28)
def test_a_kill_in_the_middle_of_an_export_leaves_a_temporary_file_and_the_next_export_is_the_same(
    tmp_path, pack_folder
):
    path = tmp_path / "run"
    pack = load_pack(pack_folder)
    plan = Plan(fit_targets(pack.targets), 6_000, seed=3)
    record = make_record(0, attempts=1)

    async def write():
        async with LedgerWriter(path, print, traces=False) as writer:
            await writer.set_meta(**RunMeta.from_pack(pack, plan).to_meta())
            for slot in range(plan.rows):
                await writer.put(replace(record, key=SampleKey(slot), stratum=plan.stratum(slot)))

    RunDirectory.create_or_open(path, identity={}, planned_rows=plan.rows).close()
    asyncio.run(write())
    assert invoke("export", path, "--format", "trl", "--out", tmp_path / "undisturbed.jsonl").exit_code == 0
    whole = (tmp_path / "undisturbed.jsonl").read_bytes()
    folder = tmp_path / "killed"
    temporary, file = folder / ".rows.jsonl.tmp", folder / "rows.jsonl"
    command = ("-m", "routenator", "export", str(path), "--format", "trl", "--out", str(file))
    child = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not (temporary.exists() and temporary.stat().st_size):
        time.sleep(0.001)
    child.kill()
    assert child.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert [left.name for left in folder.iterdir()] == [temporary.name]
    assert 0 < temporary.stat().st_size < len(whole)
    assert invoke("export", path, "--format", "trl", "--out", file).exit_code == 0
    assert [left.name for left in folder.iterdir()] == [file.name]
    assert file.read_bytes() == whole


def test_every_format_can_be_asked_for():
    assert [str(name) for name in FormatName] == list(FORMATS)


def test_report_says_how_many_rows_are_damaged(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    with closing(sqlite3.connect(copy / "run.db")) as connection, connection:
        connection.execute("UPDATE sample SET attempts = attempts + 1 WHERE slot = 4")
    assert "1 row is damaged and not counted" in " ".join(invoke("report", copy, "--summary").output.split())
    assert "damaged" not in invoke("report", run, "--summary").output


def test_a_folder_without_a_run_is_an_error_of_ours(tmp_path):
    for command in (["report", tmp_path], ["export", tmp_path, "--format", "trl"]):
        assert isinstance(invoke(*command).exception, RunError)


def test_the_plan_comes_back_from_the_ledger_slot_by_slot(run, pack_folder):
    pack = load_pack(pack_folder)
    plan = Plan(fit_targets(pack.targets), 20, seed=3)
    with LedgerReader(run) as reader:
        kept = RunMeta.from_meta(reader.meta())
    assert [kept.plan.stratum(slot) for slot in range(20)] == [plan.stratum(slot) for slot in range(20)]
    assert (kept.pack_digest, list(kept.tools)) == (pack.digest, [f.tool for f in pack.functions])
