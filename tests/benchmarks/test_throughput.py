"""The benchmark's processes: each runs, and its samples take the two calls that it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SAMPLES = 12


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    command = [sys.executable, str(BENCHMARKS / "fake_vllm.py"), "--latency-ms", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.mark.parametrize(
    "command", ["reference.py --samples", "engine_run.py --transport aiohttp --rows"], ids=["reference", "engine"]
)
def test_every_sample_is_accepted_after_two_calls(base_url: str, command: str) -> None:
    script, *arguments = command.split()
    ended = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments, str(SAMPLES), "--in-flight", "4", "--base-url", base_url],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["samples"] == SAMPLES, found
    # Now and then the fake's second answer has a fault as well.
    assert 2 <= found["calls"] / SAMPLES <= 2.5, found
    assert found["cpu_s"] > 0
    assert found["wall_s"] > 0
