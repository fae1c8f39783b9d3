"""Fixtures that tests of several folders share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.run_files import RunFiles

from routenator.engine.llm.embedded_models import CACHE_VARIABLE


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all runs of the session: the graph of a pack is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run_files(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunFiles]:
    """Makes the files of a run against an endpoint."""
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def make(base_url: str, endpoint: dict[str, Any] | None = None, **more: Any) -> RunFiles:
        return RunFiles(tmp_path, {"base_url": base_url} | (endpoint or {}), **more)

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB; all but 3 MB are taken by the file ``ballast``."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        (disk / "ballast").write_bytes(b"\1" * (18 << 20))
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
