"""Fixtures that tests of several folders share."""

from __future__ import annotations

from collections.abc import Callable
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
