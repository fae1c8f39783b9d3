"""The embedded endpoint: llama.cpp servers, one set per machine, shared by every run, started and replaced as needed.

Failure policy: a server that died, hangs or belongs to nobody is replaced by whoever next needs one; a user that is
killed lets go of its lease through the kernel; a server without a lease ends by itself. See
`routenator.engine.llm.embedded_server` for the files that this rests on.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from routenator.engine.errors import RunError
from routenator.engine.llm.embedded_models import cache_folder, is_own_file, prepare_model

MAX_SLOTS = 8
"""Completions computed at once: the batch is what makes a CPU worth its while (see ``benchmarks/embedded.py``)."""
MAX_REPLICAS = 4
"""Each takes about 0.8 GB of memory."""
SLOT_TOKENS = 1536
"""Context of a slot, prompt and reply together."""
LINGER_S = 30.0
"""Seconds that a server outlives its last lease, so that consecutive commands share it."""
START_DEADLINE_S = 120.0
HEALTH_TIMEOUT_S = 20.0
"""A server that does not answer within this is replaced; long, because replacing costs its users their requests."""
POLL_S = 0.05
LOG_TAIL_LINES = 15


def default_replicas() -> int:
    """Servers to start: one for each core that this process may use, at most `MAX_REPLICAS`.

    Servers of one thread each do not wait for one another. Two threads of one server do, at every layer: beside a busy
    neighbour they were seen to be seven times slower than one.
    """
    return min(len(os.sched_getaffinity(0)), MAX_REPLICAS)


def default_threads() -> int:
    """Compute threads of each server, when there are `default_replicas` of them; at most 8."""
    return min(max(1, len(os.sched_getaffinity(0)) // default_replicas()), 8)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What makes two users share a server: the same settings, the same server.

    Attributes:
        file_stamp: Tells apart what stood in a file of the user's own at different times; empty for other models.
    """

    model: str
    slots: int
    slot_tokens: int = SLOT_TOKENS
    threads: int = 1
    replica: int = 0
    file_stamp: str = ""

    def folder(self) -> Path:
        """Locks, state and log of the server with these settings on this machine; created when absent."""
        # Home folders may be shared between machines, and the server is on this one's loopback.
        host = re.sub(r"[^\w.-]", "_", socket.gethostname()) or "host"
        model = f"{Path(self.model).stem}-{self.file_stamp}" if self.file_stamp else self.model
        name = f"{model}-{self.slots}x{self.slot_tokens}-t{self.threads}-r{self.replica}"
        folder = cache_folder() / "servers" / host / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


class EmbeddedLease:
    """A user's hold on the shared server. Close it, or use it as a context manager; a killed process lets go too.

    Attributes:
        base_url: The server's base URL, ending in ``/v1``.
        model: Name that the server reports.
        slots: Completions that the server computes at once; requests beyond that wait in its queue.
        log_path: The server's log.
    """

    def __init__(self, settings: ServerSettings, file: Path, linger_s: float) -> None:
        self.model = settings.model
        self.slots = settings.slots
        self._settings = settings
        self._file = file
        self._linger_s = linger_s
        self._folder = settings.folder()
        self.log_path = self._folder / "server.log"
        self._hold: TextIO | None = None
        self.base_url = ""
        try:
            self.ensure_running()
        except BaseException:
            self.close()
            raise

    def has_ended(self) -> bool:
        """Whether there is no server any more. Looks at a lock, so it costs next to nothing and does not wait."""
        return _lock_holder(self._folder) is None

    def ensure_running(self) -> str:
        """Find or start the server; call it again after a refused connection. Blocks: use a thread in async code.

        A replacement takes the old server's port when that is still free.

        Returns:
            The base URL, which is also stored in ``base_url``.

        Raises:
            RunError: No server could be started in time; the message ends with the tail of its log.
        """
        deadline = time.monotonic() + START_DEADLINE_S
        with (self._folder / "start.lock").open("a") as starts:
            _lock_before(starts, deadline, self._folder)
            if self._hold is None:
                # Not blocked for long: a server holds it exclusively only to look whether anybody is left.
                hold = (self._folder / "leases.lock").open("a")
                fcntl.flock(hold, fcntl.LOCK_SH)
                self._hold = hold
            port = self._join() or self._start(deadline)
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self.base_url

    def close(self) -> None:
        """Let go; the server ends by itself when nobody else holds it."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self) -> int | None:
        """Port of the running server; one that hangs is killed. ``None``: there is none."""
        pid = _lock_holder(self._folder)
        if pid is None:
            return None
        deadline = time.monotonic() + HEALTH_TIMEOUT_S
        # Without a state it is still loading: its starter was killed.
        while time.monotonic() < deadline and _lock_holder(self._folder) is not None:
            state = _read_state(self._folder)
            if state.get("pid") == pid and serves(int(state["port"]), self.model, deadline - time.monotonic()):
                return int(state["port"])
            time.sleep(POLL_S)
        if pid > 0 and _lock_holder(self._folder) == pid:
            os.kill(pid, signal.SIGKILL)
        while _lock_holder(self._folder) is not None:
            time.sleep(POLL_S)
        return None

    def _start(self, deadline: float) -> int:
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        options = {
            "model": self.model,
            "file": self._file,
            "folder": self._folder,
            "port": _read_state(self._folder).get("port", 0),
            "slots": self._settings.slots,
            "slot-tokens": self._settings.slot_tokens,
            "threads": self._settings.threads,
            "linger-s": self._linger_s,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with self.log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                # -P: a user's folder with a module of the same name must not be imported.
                [sys.executable, "-P", "-m", "routenator.engine.llm.embedded_server", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # a Ctrl-C is meant for the run, not for the server that others share
            )
        while time.monotonic() < deadline:
            if process.poll() is not None:
                what = f"The embedded server ended while starting (exit code {process.returncode})."
                raise RunError(what, hint=self._log_hint())
            state = _read_state(self._folder)
            if state.get("pid") == process.pid and serves(int(state["port"]), self.model, 1.0):
                # It outlives us on purpose; but should it die first, somebody has to collect it.
                threading.Thread(target=process.wait, daemon=True).start()
                return int(state["port"])
            time.sleep(POLL_S)
        process.kill()
        process.wait()
        raise RunError(f"The embedded server was not ready within {START_DEADLINE_S:.0f} s.", hint=self._log_hint())

    def _log_hint(self) -> str:
        tail = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"Its log, {self.log_path}, ends with:", *(tail or ["(nothing)"])])


def acquire_embedded(
    model: str,
    max_in_flight: int = MAX_SLOTS,
    *,
    replica: int = 0,
    threads: int | None = None,
    linger_s: float = LINGER_S,
) -> EmbeddedLease:
    """Join the machine's server for ``model``, or start it. Blocks for 1-3 s when it has to be started.

    Args:
        model: A name of `routenator.engine.llm.embedded_models.EMBEDDED_MODELS`, or the path of a GGUF file.
        max_in_flight: Requests that the caller will have in flight; the server gets as many slots, at most
            `MAX_SLOTS`.
        replica: Number of the server, where one machine runs several alike.
        threads: Compute threads; ``None``: `default_threads`.
        linger_s: Seconds that a server started by this call outlives its last lease.

    Raises:
        ConfigError: No embedded model has that name.
        RunError: A package is missing (the hint installs it), or the server cannot be started.
    """
    file = prepare_model(model)
    slots = min(max_in_flight, MAX_SLOTS)
    compute_threads = default_threads() if threads is None else threads
    stamp = _stamp_of(file) if is_own_file(model) else ""
    settings = ServerSettings(model, slots, threads=compute_threads, replica=replica, file_stamp=stamp)
    return EmbeddedLease(settings, file, linger_s)


def _stamp_of(file: Path) -> str:
    facts = file.stat()
    return hashlib.sha256(f"{file} {facts.st_size} {facts.st_mtime_ns}".encode("utf-8", "replace")).hexdigest()[:12]


def serves(port: int, model: str, timeout_s: float) -> bool:
    """Whether a server on loopback ``port`` lists ``model`` within ``timeout_s``."""
    # http.client and no proxy settings: this never leaves the machine.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=max(timeout_s, POLL_S))
    try:
        connection.request("GET", "/v1/models", headers={"Connection": "close"})
        listed = json.loads(connection.getresponse().read())
        return any(entry.get("id") == model for entry in listed["data"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return False
    finally:
        connection.close()


def _lock_before(file: TextIO, deadline: float, folder: Path) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                what = "Another process has been starting the embedded server for too long."
                raise RunError(what, hint=f"See {folder / 'server.log'}, or end that process.") from None
            time.sleep(POLL_S)
        else:
            return


def _lock_holder(folder: Path) -> int | None:
    """Process id of the server that holds ``server.lock``, or ``None`` when nobody does."""
    with (folder / "server.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            text = lock.read()
            # Empty for an instant, between the lock and its text; 0 is nobody's id and matches no state.
            return int(text) if text.isdigit() else 0
        return None


def _read_state(folder: Path) -> dict[str, int]:
    try:
        state = json.loads((folder / "state.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
