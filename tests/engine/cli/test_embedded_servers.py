"""Embedded servers for as long as a command needs them."""

import asyncio
import os
import signal
import time

import pytest

from routenator.engine.cli import embedded_servers
from routenator.engine.cli.embedded_servers import hold_embedded
from routenator.engine.config import EndpointsFile
from routenator.engine.errors import RunError
from routenator.engine.llm.embedded import ServerSettings, default_threads, serves
from routenator.engine.llm.embedded_models import CACHE_VARIABLE, find_model

MODEL = "smollm2-135m-instruct"
WRITER = {"kind": "embedded", "model": MODEL, "max_in_flight": 1}


def wait_for_another(lock, first, port):
    """Process of the server that took the place of ``first``."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pid = int(lock.read_text() or first)
        if pid != first and serves(port, MODEL, 1.0):
            return pid
        time.sleep(0.1)
    raise AssertionError("no server took its place")


@pytest.mark.model
async def test_a_server_that_dies_while_a_command_needs_it_is_started_again(monkeypatch, tmp_path, capfd):
    try:
        find_model(MODEL)
    except RunError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(embedded_servers, "REVIVE_S", 0.1)
    monkeypatch.setattr(embedded_servers, "default_replicas", lambda: 1)
    endpoints = EndpointsFile.model_validate({"endpoints": {"writer": WRITER}, "roles": {"text": "writer"}})
    async with hold_embedded(endpoints) as base_urls:
        (url,) = base_urls["writer"]
        lock = ServerSettings(MODEL, 1, threads=default_threads()).folder() / "server.lock"
        first = int(lock.read_text())
        os.kill(first, signal.SIGKILL)
        port = int(url.removesuffix("/v1").rpartition(":")[2])
        second = await asyncio.to_thread(wait_for_another, lock, first, port)
    assert "has died: it is started again" in " ".join(capfd.readouterr().err.split())
    os.kill(second, signal.SIGTERM)
