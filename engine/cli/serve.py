"""``routenator serve``: keep an endpoint's server up for as long as the command runs."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from routenator.engine.cli.console import print_json, say
from routenator.engine.config import Endpoint, EndpointsFile, load_endpoints
from routenator.engine.errors import ConfigError, Fault, RunError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
WATCH_S = 5.0


def serve(
    endpoints_file: Annotated[Path, typer.Argument(help="Endpoints file.", metavar="ENDPOINTS_FILE")],
    endpoint: Annotated[str | None, typer.Option(help="Endpoint to serve; needed when the file has several.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when the server is ready.")] = False,
) -> None:
    """Start the server of an endpoint on this machine and keep it until Ctrl-C.

    The embedded server is shared: runs that use the same endpoint join it. An endpoint on a loopback URL is served by
    `vllm serve`, if vLLM is installed.

    Example: routenator serve recipes/endpoints.yaml --endpoint small
    """
    name, chosen = choose_endpoint(load_endpoints(endpoints_file), endpoint, str(endpoints_file))
    if chosen.kind == "embedded":
        _serve_embedded(name, chosen, json)
    else:
        command = vllm_command(name, chosen, str(endpoints_file))
        say(f"Running: {' '.join(command)}")
        # vLLM takes this process's place, and with it the terminal and Ctrl-C.
        os.execvp(command[0], command)  # noqa: S606 - an argument list, no shell


def choose_endpoint(file: EndpointsFile, name: str | None, path: str) -> tuple[str, Endpoint]:
    """The endpoint called ``name``, or the only one.

    Raises:
        ConfigError: No such endpoint, or several and none named.
    """
    names = list(file.endpoints)
    if name is None and len(names) == 1:
        name = names[0]
    if name is None:
        fault = Fault(path, "it defines several endpoints", f"Name one with --endpoint: {', '.join(names)}")
        raise ConfigError([fault])
    if name not in file.endpoints:
        raise ConfigError([Fault(path, f"it defines no endpoint {name!r}", f"Use one of: {', '.join(names)}")])
    return name, file.endpoints[name]


def vllm_command(name: str, endpoint: Endpoint, path: str) -> list[str]:
    """The `vllm serve` command for the endpoint's loopback replica.

    Raises:
        ConfigError: None of its URLs is on this machine.
        RunError: vLLM is not installed.
    """
    for url in endpoint.base_url:
        parts = urlsplit(url)
        if parts.hostname in LOOPBACK:
            break
    else:
        fault = Fault(path, "its server runs elsewhere", "Start it there", field=f"endpoints.{name}.base_url")
        raise ConfigError([fault])
    if shutil.which("vllm") is None:
        what = f"Endpoint {name} is served by vLLM, which is not installed."
        raise RunError(what, hint="Install vLLM, or use an endpoint of kind embedded.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = str(parts.hostname)
    return ["vllm", "serve", endpoint.model, "--host", host, "--port", str(port)]


def _serve_embedded(name: str, endpoint: Endpoint, json: bool) -> None:
    from routenator.engine.llm.embedded import acquire_embedded

    with acquire_embedded(endpoint.model, endpoint.max_in_flight) as lease:
        if json:
            print_json({"endpoint": name, "model": lease.model, "base_url": lease.base_url, "log": str(lease.log_path)})
        else:
            say(f"{name}: {lease.model} at {lease.base_url} (log: {lease.log_path}). Ctrl-C ends it.")
        known = lease.base_url
        while True:
            threading.Event().wait(WATCH_S)
            if lease.ensure_running() != known:
                known = lease.base_url
                say(f"{name}: the server was replaced; it is now at {known}")
