"""``routenator domain``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer

from routenator.engine.cli.console import EXIT_INCOMPLETE
from routenator.engine.cli.domain import import_images_command, init, stats

TINY = Path(__file__).parents[2] / "packs" / "tiny"


def test_init_says_where_the_pack_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "shop", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"pack": str(tmp_path / "shop")}
    assert (tmp_path / "shop" / "domain.yaml").is_file()


def test_stats_count_the_pack(capsys: pytest.CaptureFixture[str]) -> None:
    stats(str(TINY), as_json=True)
    counts = json.loads(capsys.readouterr().out)
    assert counts["nodes"] == {"UserIntent": 6, "DesignType": 8, "SceneObject": 12, "Action": 6}
    assert counts["edges"] == {"NEEDS": 22, "SHOWS": 36, "INVITES": 24}
    assert counts["content"] == {"image": 5, "template": 5, "icon": 3, "background": 3}
    assert counts["images"] == 8
    assert counts["targets"]["category"]["image"] == pytest.approx(0.7 * 0.5 + 0.3 * 0.6)


def test_stats_are_shown_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    stats(str(TINY))
    shown = capsys.readouterr().out
    assert "SceneObject" in shown
    assert "target: route" in shown
    assert "20.0%" in shown


def test_control_characters_of_a_pack_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Path(shutil.copytree(TINY, tmp_path / "tiny"))
    spec = pack / "domain.yaml"
    spec.write_text(spec.read_text().replace('version: "1"', 'version: "1\\e]52;c;eA==\\a[red]"'))
    stats(str(pack))
    shown = capsys.readouterr().out
    assert "\\x1b]52" in shown
    assert "[red]" in shown
    assert "\x1b]52" not in shown


def test_an_import_with_bad_files_lists_them_and_is_incomplete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    (folder / "bad\x1b.png").touch()
    shutil.copy(TINY / "images" / "cat.png", folder)
    with pytest.raises(typer.Exit) as caught:
        import_images_command(folder, tmp_path / "new")
    assert caught.value.exit_code == EXIT_INCOMPLETE
    shown = capsys.readouterr().err
    assert "skipped bad\\x1b.png: the image file is empty" in shown
    assert "2 files: 1 added, 0 in the pack before, 1 skipped" in shown


def test_an_import_reports_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    shutil.copy(TINY / "images" / "cat.png", folder)
    import_images_command(folder, tmp_path / "new", as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert (report["added"], report["errors"], report["interrupted"]) == (1, [], False)
