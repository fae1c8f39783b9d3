"""The embedded server's process: llama.cpp on loopback, with OpenAI's protocol.

Started by `routenator.engine.llm.embedded.acquire_embedded` as ``python -m routenator.engine.llm.embedded_server``; it
outlives its starter, so that consecutive commands and parallel runs share it, and ends by itself some seconds after
the last lease. Its folder holds:

* ``server.lock``: held exclusively as long as the server lives; its text is the process id.
* ``leases.lock``: each user holds it shared; the kernel lets go when a user dies, however it dies.
* ``start.lock``: held while somebody starts, replaces or ends the server.
* ``state.json``: port and process id, written when the server is ready.
* ``server.log``.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

LEASE_CHECK_S = 1.0
PROMPT_CACHE_MIB = 512
"""Host memory for the prefixes of slots that were taken over by other prompts; llama.cpp's own default is 8 GiB."""
HTTP_THREADS = 512
"""llama.cpp keeps one thread for each open connection; with fewer, waiting requests would block ``/health``."""


def main() -> None:
    """Serve until nobody holds a lease."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", required=True, help="name that the server reports")
    parser.add_argument("--file", required=True, type=Path, help="GGUF file")
    parser.add_argument("--folder", required=True, type=Path, help="locks, state and log of this server")
    parser.add_argument("--port", type=int, default=0, help="preferred port; another is taken when it is not free")
    parser.add_argument("--slots", type=int, required=True, help="completions computed at once")
    parser.add_argument("--slot-tokens", type=int, required=True, help="context of each slot, in tokens")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--linger-s", type=float, required=True, help="seconds to live on without a lease")
    args = parser.parse_args()

    lock = (args.folder / "server.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("another server holds this folder")
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    state = args.folder / "state.json"
    state.unlink(missing_ok=True)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    port = choose_port(args.port)
    server = _start(args, port)
    partial = state.with_suffix(".tmp")
    partial.write_text(json.dumps({"pid": os.getpid(), "port": port, "model": args.model}))
    partial.replace(state)
    starts = _wait_until_unused(args.folder, args.linger_s, stop)
    state.unlink(missing_ok=True)
    del server, starts
    # Whoever still has a request open may wait for ever inside llama.cpp's own shutdown.
    os._exit(0)


def choose_port(preferred: int) -> int:
    """``preferred`` if it can be bound on loopback, otherwise one that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")


def _start(args: argparse.Namespace, port: int) -> object:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(args.file)
    # The binding's type of this field changed between versions.
    params.model_alias = [args.model] if isinstance(params.model_alias, list) else {args.model}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_gpu_layers = 0
    params.n_parallel = args.slots
    params.n_ctx = args.slots * args.slot_tokens
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.n_threads_http = HTTP_THREADS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.use_jinja = True
    params.endpoint_metrics = True
    # The slots page shows prompts, and a web page must not be able to use the server.
    params.endpoint_slots = False
    params.ui = False
    params.cors_origins = "http://127.0.0.1"
    params.cors_credentials = False
    params.verbosity = 2  # warnings: a line for each request would grow the log without bound
    return xllamacpp.Server(params)


def _wait_until_unused(folder: Path, linger_s: float, stop: threading.Event) -> TextIO | None:
    """Return when asked to stop, or when no lease was held for ``linger_s``; then ``start.lock`` is held."""
    used_at = time.monotonic()
    while not stop.wait(min(LEASE_CHECK_S, linger_s)):
        try:
            leases = (folder / "leases.lock").open("a")
            starts = (folder / "start.lock").open("a")
        except FileNotFoundError:
            return None  # the cache folder was deleted
        with leases:
            if not _try_lock(leases):
                used_at = time.monotonic()
            elif time.monotonic() - used_at >= linger_s and _try_lock(starts):
                # Whoever comes now waits for start.lock, then finds server.lock free and starts another server.
                return starts
        starts.close()
    return None


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
