"""``routenator validate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer

from routenator.engine.cli.console import EXIT_INPUT
from routenator.engine.cli.validate import validate

TINY = Path(__file__).parents[2] / "packs" / "tiny"

RECIPE = "pack: design\nrows: 10\nendpoints: endpoints.yaml\n"
ENDPOINTS = "endpoints:\n  local: {kind: embedded, model: small}\nroles: {text: local}\n"


def verdicts(paths: list[Path], capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    try:
        validate([str(path) for path in paths], as_json=True)
    except typer.Exit as exc:
        assert exc.exit_code == EXIT_INPUT
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] == all(not file["faults"] for file in answer["files"])
    return list(answer["files"])


def test_each_kind_of_file_is_told_by_what_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(RECIPE)
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    (tmp_path / "prompts" / "text").mkdir(parents=True)
    files = verdicts([TINY, tmp_path / "a.yaml", tmp_path / "endpoints.yaml", tmp_path / "prompts"], capsys)
    assert [file["kind"] for file in files] == ["pack", "recipe", "endpoints file", "prompts"]
    assert all(file["faults"] == [] for file in files)


def test_faults_of_all_files_are_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(RECIPE + "rowz: 3\n")
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS.replace("text: local", "text: remote"))
    (tmp_path / "c.yaml").write_text("a: [")
    names = ("a.yaml", "endpoints.yaml", "c.yaml", "nowhere")
    files = verdicts([tmp_path / name for name in names], capsys)
    assert [len(file["faults"]) for file in files] == [1, 1, 1, 1]
    assert files[0]["faults"] == [
        {
            "file": str(tmp_path / "a.yaml"),
            "line": 4,
            "field": "rowz",
            "message": "unknown key",
            "fix": "Remove it, or correct its spelling",
        }
    ]


def test_a_packs_own_prompts_are_checked_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Path(shutil.copytree(TINY, tmp_path / "tiny"))
    (pack / "prompts" / "text").mkdir(parents=True)
    (pack / "prompts" / "text" / "bad.md").write_text("no front matter")
    (file,) = verdicts([pack], capsys)
    assert [fault["message"] for fault in file["faults"]] == ["no front matter"]


def test_a_person_reads_ok_or_the_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("rows: 0\n")
    with pytest.raises(typer.Exit):
        validate([str(TINY), str(tmp_path / "a.yaml")])
    shown = capsys.readouterr().err
    assert f"{TINY}: pack ok" in shown.replace("\n", "")
    assert "recipe, 3 faults" in shown
    assert "Add it" in shown
