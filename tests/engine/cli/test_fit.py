import json
import random
import shutil
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from routenator.engine.cli.fit import fit
from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import ConfigError, DomainError, InputError

app = typer.Typer()
app.command("fit")(fit)

LEADS = {"search": ("find a", "", "where is a"), "generate": ("create a", "make me a")}
THINGS = "paper lantern coffee mountain ridge chalk palm neon fairy garden harbour violin winter market".split()


def invoke(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return shutil.copytree(Path(__file__).parents[2] / "packs" / "tiny", tmp_path_factory.mktemp("packs") / "tiny")


@pytest.fixture
def queries(tmp_path):
    generator = random.Random(7)
    path = tmp_path / "real.jsonl"
    rows = []
    for _ in range(240):
        function = generator.choice(["search", "search", "generate"])
        things = " ".join(generator.choices(THINGS, k=generator.randint(1, 6)))
        category = generator.choice(["image", "icon"])
        query = f"{generator.choice(LEADS[function])} {things} {category}".strip()
        rows.append({"query": query, "function": function, "args": {"content_type": category, "prompt": things}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_fitted_targets_replace_those_of_the_pack(pack, queries, tmp_path):
    target = tmp_path / "targets.yaml"
    result = invoke(queries, "--pack", pack, "--out", target, "--route", "heuristic=3", "--route", "text=1")
    assert result.exit_code == 0, result.output
    copy = shutil.copytree(pack, tmp_path / "copy")
    shutil.copy(target, copy / "targets.yaml")
    tables = load_pack(copy).targets.tables
    assert tables[0].marginals[0].shares == {"heuristic": 75, "text": 25}
    figures = json.loads((tmp_path / "targets.fit.json").read_text())
    functions = next(axis for axis in figures["axes"] if axis["axis"] == "function")["shares"]
    assert functions[0]["value"] == "search"
    assert functions[0]["low"] < 2 / 3 < functions[0]["high"]


def test_the_summary_fits_eighty_columns(pack, queries, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = invoke(queries, "--pack", pack)
    assert result.exit_code == 0
    assert "what the sample is too small for" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_json_holds_every_figure(pack, queries):
    found = json.loads(invoke(queries, "--pack", pack, "--json").stdout)
    assert found["rows"] == found["used"] == 240
    assert {"function", "category", "length", "casing"} <= found["summary"].keys()


def test_queries_alone_keep_the_packs_functions(pack, tmp_path):
    path, target = tmp_path / "bare.jsonl", tmp_path / "targets.yaml"
    path.write_text("".join(json.dumps({"query": f"find a {a} {b}"}) + "\n" for a in THINGS for b in THINGS))
    result = invoke(path, "--pack", pack, "--out", target)
    assert result.exit_code == 0
    kept = next(t for t in yaml.safe_load(target.read_text())["tables"] if "function" in t["axes"])
    assert kept["marginals"][0]["shares"].keys() == {"search", "generate"}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"pack": "none-such"}, DomainError, "no such pack folder"),
        ({"queries": "none.jsonl"}, InputError, "cannot be read"),
        ({"route": "radio=4"}, ConfigError, "no route with a weight"),
        ({"route": "text"}, ConfigError, "no route with a weight"),
        ({"route": "text=0"}, ConfigError, "no route with a weight"),
    ],
)
def test_wrong_input_is_refused_with_its_fix(pack, queries, change, error, words):
    arguments = {"queries": queries, "pack": pack, "route": "text=1"} | change
    result = invoke(arguments["queries"], "--pack", arguments["pack"], "--route", arguments["route"])
    assert isinstance(result.exception, error)
    assert words in str(result.exception)


def test_a_function_that_the_pack_lacks_is_refused_and_nothing_is_written(pack, tmp_path):
    path, target = tmp_path / "real.jsonl", tmp_path / "targets.yaml"
    path.write_text('{"query": "dance with me", "function": "dance", "args": {}}\n')
    result = invoke(path, "--pack", pack, "--out", target)
    assert isinstance(result.exception, InputError)
    assert "'dance'" in str(result.exception)
    assert not target.exists()


def test_the_file_is_silent_on_an_axis_that_is_left_out(pack, queries, tmp_path):
    target = tmp_path / "targets.yaml"
    left_out = ("keyword_position", "punctuation")
    result = invoke(queries, "--pack", pack, "--out", target, *(f"--leave-out={axis}" for axis in left_out))
    assert result.exit_code == 0, result.output
    written = yaml.safe_load(target.read_text())
    axes = {axis for table in written["tables"] for axis in table["axes"]}
    assert not axes & set(left_out)
    assert {"route", "function", "category", "language", "length", "phrasing", "casing"} <= axes
    assert not any(axis in zero for table in written["tables"] for zero in table.get("zero", ()) for axis in left_out)
    copy = shutil.copytree(pack, tmp_path / "copy")
    shutil.copy(target, copy / "targets.yaml")
    assert load_pack(copy).targets.tables


@pytest.mark.parametrize("axis", ["colour", "function", "length", "arguments"])
def test_an_axis_that_is_unknown_or_needed_cannot_be_left_out(pack, queries, tmp_path, axis):
    target = tmp_path / "targets.yaml"
    result = invoke(queries, "--pack", pack, "--out", target, "--leave-out", "casing", "--leave-out", axis)
    assert isinstance(result.exception, ConfigError)
    (fault,) = result.exception.faults
    assert fault.message == f"'{axis}' cannot be left out"
    assert "keyword_position" in fault.fix and "function" not in fault.fix
    assert not target.exists()


def test_the_targets_of_a_spoken_pack_join_its_arguments(tmp_path):
    copy = shutil.copytree(Path(__file__).parents[2] / "packs" / "spoken", tmp_path / "copy")
    path = tmp_path / "real.jsonl"
    rows = [
        {"query": f"book a {place} in {city}{mark}", "function": "book_table", "args": {"place": place, "city": city}}
        for place in ("restaurant", "cafe")
        for city in ("Porto", "Kyoto", "Lisbon")
        for mark in ("", ".")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows * 9))
    result = invoke(path, "--pack", copy, "--out", copy / "targets.yaml", "--route", "heuristic=1")
    assert result.exit_code == 0, result.output
    joint = next(t for t in load_pack(copy).targets.tables if "arguments" in t.axes)
    assert {"function", "category"} <= set(joint.axes)
