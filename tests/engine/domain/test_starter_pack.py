"""``domain init``."""

from __future__ import annotations

from pathlib import Path

import pytest

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.starter_pack import create_starter_pack
from routenator.engine.errors import DomainError


@pytest.mark.parametrize(("name", "identifier"), [("shop", "shop"), ("my shop-2", "my_shop_2"), ("2nd", "pack_2nd")])
def test_the_starter_pack_validates_under_its_folders_name(tmp_path: Path, name: str, identifier: str) -> None:
    create_starter_pack(tmp_path / "deep" / name)
    pack = load_pack(tmp_path / "deep" / name)
    assert pack.spec.name == identifier
    assert len(pack.content) == 4


def test_the_starter_pack_validates_without_content(tmp_path: Path) -> None:
    create_starter_pack(tmp_path / "shop", with_content=False)
    assert load_pack(tmp_path / "shop").content == ()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    create_starter_pack(tmp_path / "shop")
    assert load_pack(tmp_path / "shop")


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DomainError, match="not empty"):
        create_starter_pack(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
