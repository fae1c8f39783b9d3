import asyncio
import json
import os
import subprocess
import sys

import pytest
import typer
from factories import make_record
from typer.testing import CliRunner

from routenator.engine.cli.console import friendly_errors
from routenator.engine.cli.main import app as main_app
from routenator.engine.cli.status import status
from routenator.engine.cli.traces import traces_app
from routenator.engine.errors import InputError, NoRunError
from routenator.engine.ledger import LedgerWriter, RunDirectory

VERDICTS = ("accepted", "rejected", "failed")


def application():
    app = typer.Typer()
    app.add_typer(traces_app, name="traces")
    app.command()(status)
    return app


def run(*arguments):
    return CliRunner().invoke(application(), [str(argument) for argument in arguments], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run"

    async def write():
        failures = []
        async with LedgerWriter(path, failures.append) as writer:
            await writer.set_meta(route_targets={"text": 20, "vision": 10, "heuristic": 10})
            for slot in range(30):
                await writer.put(make_record(slot, verdict=VERDICTS[slot % 3]))
            await writer.put(make_record(1, 1, "accepted"))
        assert failures == []

    with RunDirectory.create_or_open(path, identity={"a": 1}, planned_rows=40):
        asyncio.run(write())
    return path


def test_list_filters_and_counts(run_dir):
    result = run("traces", "list", run_dir, "--verdict", "rejected", "--json")
    listed = json.loads(result.stdout)
    assert listed["total"] == 10
    assert [row["trace_id"] for row in listed["samples"]] == [f"{slot}.0" for slot in range(1, 30, 3)]
    for option, name in [("--route", "route"), ("--function", "function"), ("--category", "category")]:
        value = listed["samples"][0][name]
        found = json.loads(run("traces", "list", run_dir, option, value, "--json").stdout)
        assert found["samples"] and all(row[name] == value for row in found["samples"])
    endpoint = json.loads(run("traces", "list", run_dir, "--error-class", "endpoint", "--json").stdout)
    assert endpoint["total"] == 10
    plain = json.loads(run("traces", "list", run_dir, "--template", "text/plain", "--json").stdout)
    assert 0 < plain["total"] < 31


def test_list_pages(run_dir):
    first = json.loads(run("traces", "list", run_dir, "--limit", 5, "--json").stdout)["samples"]
    second = json.loads(run("traces", "list", run_dir, "--limit", 5, "--offset", 5, "--json").stdout)["samples"]
    assert [row["trace_id"] for row in first + second] == [
        "0.0",
        "1.0",
        "1.1",
        "2.0",
        "3.0",
        "4.0",
        *"5.0 6.0 7.0 8.0".split(),
    ]


def test_list_is_a_table_for_people(run_dir):
    result = run("traces", "list", run_dir, "--verdict", "accepted", "--limit", 3)
    assert result.exit_code == 0
    assert make_record(0).candidate.query in result.stdout
    assert "3 of 11 samples" in result.stderr


def test_show_finds_a_trace_by_slot_or_by_slot_and_round(run_dir):
    assert "Trace 1.1 accepted" in run("traces", "show", run_dir, "1").stdout
    assert "Trace 1.0 rejected" in run("traces", "show", run_dir, "1.0").stdout
    record = json.loads(run("traces", "show", run_dir, "1.0", "--json").stdout)
    assert record["key"] == {"slot": 1, "round": 0}
    assert record["attempts"]


@pytest.mark.parametrize("trace", ["x", "1.2.3", "-1", "1.9", "39", "9" * 30, "1e3", "１"])
def test_a_trace_that_is_not_there_is_the_users_mistake(run_dir, trace):
    with pytest.raises(InputError) as caught:
        raise run("traces", "show", run_dir, "--", trace).exception
    assert caught.value.faults[0].file == "TRACE"


def test_an_unknown_verdict_is_the_users_mistake(run_dir):
    assert isinstance(run("traces", "list", run_dir, "--verdict", "good").exception, InputError)


@pytest.mark.parametrize("option", ["--route", "--function", "--category", "--template", "--error-class"])
def test_a_value_that_no_sample_has_is_named_with_those_that_there_are(run_dir, option):
    with pytest.raises(InputError) as caught:
        raise run("traces", "list", run_dir, option, "nosuch").exception
    (fault,) = caught.value.faults
    assert fault.file == option
    assert "nosuch" in fault.message
    known = {"--route": "vision", "--function": "search", "--category": "image", "--error-class": "endpoint"}
    assert known.get(option, "text/plain") in fault.fix


def test_known_values_that_no_sample_joins_list_nothing(run_dir):
    result = run("traces", "list", run_dir, "--verdict", "accepted", "--error-class", "endpoint")
    assert result.exit_code == 0
    assert "no sample here" in result.stderr


def test_a_path_that_is_no_run_is_the_users_mistake(tmp_path):
    for command in (("traces", "list", tmp_path), ("traces", "show", tmp_path, "1")):
        assert isinstance(run(*command).exception, InputError)
    assert isinstance(run("status", tmp_path).exception, NoRunError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    ["status", "report", "traces list", "traces show 1", "traces export", "export --format trl"],
)
def test_every_command_that_reads_a_run_ends_with_2_where_there_is_none(tmp_path, command):
    name, *more = command.split()
    arguments = [name, more[0], tmp_path, *more[1:]] if name == "traces" else [name, tmp_path, *more]
    with pytest.raises(SystemExit) as ended, friendly_errors():
        main_app([str(argument) for argument in arguments], prog_name="routenator", standalone_mode=True)
    assert ended.value.code == 2


def test_show_says_when_the_run_keeps_no_traces(tmp_path):
    async def write():
        async with LedgerWriter(tmp_path, print, traces=False) as writer:
            await writer.put(make_record(3))

    with RunDirectory.create_or_open(tmp_path, identity={}, planned_rows=5):
        asyncio.run(write())
    for trace in ("3", "3.0"):
        with pytest.raises(InputError) as caught:
            raise run("traces", "show", tmp_path, trace).exception
        assert "kept no trace" in caught.value.faults[0].message
    with pytest.raises(InputError) as caught:
        raise run("traces", "show", tmp_path, "4").exception
    assert "no sample 4" in caught.value.faults[0].message


def test_status_says_how_far_a_run_is(run_dir):
    state = json.loads(run("status", run_dir, "--json").stdout)
    assert state["slots"] == {"planned": 40, "accepted": 11, "rejected": 9, "failed": 10, "pending": 10}
    assert state["running_pid"] is None
    assert state["last_minute"] == {"samples": 31, "accepted": 11}
    assert sum(route["accepted"] for route in state["routes"].values()) == 11
    assert state["routes"]["text"]["target"] == 20
    shown = run("status", run_dir).stdout
    assert "11 of 40 rows delivered (27.5%)" in shown
    assert "not running" in shown


def test_status_names_the_process_that_runs(run_dir):
    with RunDirectory.create_or_open(run_dir, identity={"a": 1}, planned_rows=40):
        assert json.loads(run("status", run_dir, "--json").stdout)["running_pid"] == os.getpid()
        assert f"running, process {os.getpid()}" in run("status", run_dir).stdout


def test_importing_the_commands_loads_nothing_heavy():
    code = "import sys, routenator.engine.cli.traces, routenator.engine.cli.status; print('zstandard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
