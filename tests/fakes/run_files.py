"""A recipe and an endpoints file for ``tests/packs/tiny``, and the real command line run on them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TINY = Path(__file__).resolve().parents[1] / "packs" / "tiny"
TARGETS: dict[str, dict[str, Any]] = {
    "route": {"text": 0.6, "vision": 0.4},
    "function": {"search": 0.7, "generate": 0.3},
    "category": {"image": 0.5, "template": 0.2, "icon": 0.2, "background": 0.1},
    "length": {"3-5": 0.6, "6-8": 0.4},
    "phrasing": {"fragment": 0.5, "imperative": 0.5},
    "keyword_position": {"middle": 0.4, "end": 0.6},
}
"""Marginals that the scripted writer can serve at the first attempt."""

TEXT_ONLY = {"route": {"text": 1.0}}
"""In the place of the route's shares: every row takes a request."""


@dataclass
class RunFiles:
    """Files of one run under ``folder``.

    Attributes:
        endpoint: Settings of the endpoint ``fake``, which plays text and vision.
        recipe: Settings of the recipe.
        roles: Role → endpoint name.
        environment: More environment variables for the command.
    """

    folder: Path
    endpoint: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, str | None] = field(default_factory=lambda: {"text": "fake", "vision": "fake"})
    environment: dict[str, str] = field(default_factory=dict)
    targets: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Copy the pack, with its targets replaced: a test may break it."""
        shutil.copytree(TINY, self.pack)
        tables = [
            {"axes": [axis], "marginals": [{"axes": [axis], "shares": shares}]}
            for axis, shares in (TARGETS | self.targets).items()
        ]
        (self.pack / "targets.yaml").write_text(yaml.safe_dump({"tables": tables}))

    @property
    def pack(self) -> Path:
        """The pack's folder."""
        return self.folder / "pack"

    @property
    def run_dir(self) -> Path:
        """The run's directory."""
        return self.folder / "run"

    @property
    def recipe_path(self) -> Path:
        """The recipe file."""
        return self.folder / "recipe.yaml"

    def write(self) -> None:
        """Write both files anew."""
        critique = {"judge_pairs": 0, "min_consistency": -1} | self.recipe.get("critique", {})
        recipe = {
            "pack": "pack",
            "rows": 24,
            "seed": 3,
            "endpoints": "endpoints.yaml",
            "on_missing_vision": "redistribute",
            "max_in_flight": 8,
        }
        self.recipe_path.write_text(yaml.safe_dump(recipe | self.recipe | {"critique": critique}))
        endpoint = {"model": "fake", "timeout_s": 10, "max_retries": 2} | self.endpoint
        endpoints = {"endpoints": {"fake": endpoint}, "roles": self.roles}
        (self.folder / "endpoints.yaml").write_text(yaml.safe_dump(endpoints))

    def start(self, command: str = "generate", *more: str, **popen: Any) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "routenator", *self.arguments(command, more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | self.environment,
            cwd=self.folder,
            **popen,
        )

    def arguments(self, command: str, more: Sequence[str]) -> list[str]:
        """The command's words, with the run's recipe or directory in its place."""
        self.write()
        match command:
            case "generate":
                return [command, str(self.recipe_path), "--out", str(self.run_dir), *more]
            case "preview":
                return [command, str(self.recipe_path), *more]
            case "traces":
                return [command, more[0], str(self.run_dir), *more[1:]]
            case _:
                return [command, str(self.run_dir), *more]

    def run(self, command: str = "generate", *more: str) -> Ended:
        """Run the command to its end, in this process: importing everything anew takes seconds."""
        from routenator.engine.cli.console import friendly_errors
        from routenator.engine.cli.main import app

        out, err = _Stream(), _Stream()
        code: Any = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                with friendly_errors():
                    app(self.arguments(command, more), prog_name="routenator")
            except SystemExit as exc:
                code = exc.code
        return Ended(code or 0, out.text(), err.text())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a question to the ledger."""
        with closing(sqlite3.connect(f"file:{self.run_dir / 'run.db'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def rows(self) -> list[dict[str, Any]]:
        """The dataset's rows."""
        text = (self.run_dir / "dataset" / "dataset.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]


class _Stream(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str], limit_s: float = 90) -> None:
    """Wait for ``condition`` while the command runs."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def finish(process: subprocess.Popen[str], timeout_s: float = 110) -> Ended:
    """Wait for the command; no command may ever show a traceback."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"not done after {timeout_s} s: {out}\n{err}") from None
    assert "Traceback" not in err + out, err
    return Ended(process.returncode, out, err)
