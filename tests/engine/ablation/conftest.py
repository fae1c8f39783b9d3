"""Fakes and their journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Fakes:
    """The environment of the fake steps."""

    out: Path
    journal: Path
    go: Path

    def take_journal(self) -> list[str]:
        """What was started since the last look: ``router/seed-1 train``."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        self.journal.unlink(missing_ok=True)
        return lines


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes(tmp_path / "out", tmp_path / "journal", tmp_path / "go")
    monkeypatch.setenv("FAKE_ROOT", str(found.out.resolve()))
    monkeypatch.setenv("FAKE_JOURNAL", str(found.journal))
    monkeypatch.setenv("FAKE_GO", str(found.go))
    return found
