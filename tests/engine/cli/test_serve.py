from pathlib import Path

import pytest

from routenator.engine.cli.serve import choose_endpoint, vllm_command
from routenator.engine.config import EndpointsFile
from routenator.engine.errors import ConfigError, RunError

FILE = EndpointsFile.model_validate(
    {
        "endpoints": {
            "small": {"kind": "embedded", "model": "smollm2-135m-instruct"},
            "far": {"base_url": "http://gpu7:8000/v1", "model": "m"},
            "near": {"base_url": ["http://gpu7:8000/v1", "http://127.0.0.1:8123/v1"], "model": "org/m"},
        },
        "roles": {"text": "small"},
    }
)


def test_serve_asks_which_endpoint_when_there_are_several() -> None:
    with pytest.raises(ConfigError, match="--endpoint: small, far, near"):
        choose_endpoint(FILE, None, "e.yaml")
    with pytest.raises(ConfigError, match="no endpoint 'big'"):
        choose_endpoint(FILE, "big", "e.yaml")
    assert choose_endpoint(FILE, "far", "e.yaml") == ("far", FILE.endpoints["far"])


def test_serve_starts_nothing_for_a_server_elsewhere() -> None:
    with pytest.raises(ConfigError, match=r"endpoints\.far\.base_url: its server runs elsewhere"):
        vllm_command("far", FILE.endpoints["far"], "e.yaml")


def test_serve_runs_vllm_for_the_loopback_replica_if_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="not installed"):
        vllm_command("near", FILE.endpoints["near"], "e.yaml")
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = vllm_command("near", FILE.endpoints["near"], "e.yaml")
    assert command == ["vllm", "serve", "org/m", "--host", "127.0.0.1", "--port", "8123"]
