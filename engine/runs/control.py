"""The control socket of a run at work: another terminal asks how it does, pauses it, stops it, changes its limit.

A Unix socket in the run's directory that only its user can open. A client sends one line of JSON and gets one back::

    {"version": 1, "do": "status"}              also pause, resume, stop
    {"version": 1, "do": "set", "max_in_flight": 128}

    {"version": 1, "state": {...}}              how the run does now: `routenator.engine.runs.states.RunState`
    {"version": 1, "error": "..."}

The run comes first: a client gets few bytes and little time, and where no socket can be made the run goes on without.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, Self

from routenator.engine.display import show_line
from routenator.engine.errors import RouteNatorError, RunError
from routenator.engine.runs.states import RunState
from routenator.engine.runs.window import DRAIN_S

SOCKET_NAME = "control.sock"
VERSION = 1
MAX_REQUEST_BYTES = 4096
MAX_REPLY_BYTES = 64 << 20
MAX_CLIENTS = 8
"""Clients at a time; one more is turned away."""
MAX_IN_FLIGHT = 100_000
"""Most samples at once that can be asked for; the recipe's bound as well."""
CLIENT_TIMEOUT_S = 5.0
"""Longest time in seconds that a client is given, from connecting to having read its reply."""

_LONGEST_PATH = 103
"""Bytes of a Unix socket's path that every system takes (Linux 107, macOS 103)."""

Request = dict[str, Any]


class Controllable(Protocol):
    """What the socket controls: a run, from the moment that its process has its lock.

    Whatever cannot be done now raises `RunError`, whose words the client gets.
    """

    def state(self) -> RunState:
        """How the run does now."""
        ...

    def pause(self) -> None:
        """Begin no more samples; those in flight end."""
        ...

    def resume(self) -> None:
        """Begin samples again."""
        ...

    def stop(self) -> None:
        """End as after Ctrl-C: drain, commit, leave."""
        ...

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """Change how many samples may be in flight, over all workers."""
        ...


class ControlServer:
    """Answers on ``control.sock`` in the directory of a run whose lock this process holds.

    Args:
        run_dir: The run's directory. A socket that a killed process left there is replaced.
        run: What is controlled. Its methods are called on the event loop.
        say: Takes one line for the person at the terminal: who asked for what.
    """

    def __init__(self, run_dir: Path, run: Controllable, say: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._run = run
        self._say = say
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        try:
            listener = _listen(self._run_dir)
        except OSError as exc:
            self._say(
                f"No control socket in {self._run_dir} ({exc.strerror or exc}): `routenator pause`, `stop` and `set` "
                "cannot reach this run, and `status` reads its files only."
            )
            return self
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MAX_REQUEST_BYTES)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._server is None:
            return
        self._server.close()
        with suppress(OSError):
            (self._run_dir / SOCKET_NAME).unlink()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.transport.abort()
            return
        client = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: a line in, a line out. Whatever it does wrong ends its connection, and nothing else."""
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                try:
                    line = await reader.readline()
                except ValueError:
                    reply = {"error": "the request is too long"}
                else:
                    reply = self._answer(line, writer.get_extra_info("socket"))
                writer.write(json.dumps({"version": VERSION} | reply).encode() + b"\n")
                await writer.drain()
            writer.close()
        except (TimeoutError, OSError, asyncio.CancelledError):
            writer.transport.abort()

    def _answer(self, line: bytes, connection: Any) -> dict[str, Any]:
        try:
            asker = _identify(connection)
            self._obey(json.loads(line), asker)
            return {"state": asdict(self._run.state())}
        except (ValueError, RecursionError):
            return {"error": "the request is not a line of JSON"}
        except RouteNatorError as exc:
            return {"error": exc.what}

    def _obey(self, request: Any, asker: str) -> None:
        if not isinstance(request, dict) or request.get("version") != VERSION:
            raise RunError(
                f"the run speaks version {VERSION} of the control protocol; use the same routenator for both"
            )
        match request.get("do"):
            case "status":
                pass
            case "pause":
                self._run.pause()
                self._say(f"Paused by {asker}; `routenator resume {self._run_dir}` goes on.")
            case "resume":
                self._run.resume()
                self._say(f"Resumed by {asker}.")
            case "stop":
                self._run.stop()
                in_flight = self._run.state().in_flight
                rest = f": what is in flight has {DRAIN_S:.0f} s to end" if in_flight else ""
                self._say(f"Stopped by {asker}{rest}.")
            case "set":
                wanted = request.get("max_in_flight")
                if type(wanted) is not int or not 1 <= wanted <= MAX_IN_FLIGHT:
                    raise RunError(f"max_in_flight must be a whole number from 1 to {MAX_IN_FLIGHT:,}")
                self._run.set_max_in_flight(wanted)
                limit = self._run.state().max_in_flight
                why = "" if limit == wanted else f" ({wanted:,} were asked for)"
                self._say(f"Samples in flight: at most {limit:,} from now on, as {asker} asks{why}.")
            case unknown:
                raise RunError(f"unknown request: {show_line(str(unknown), 40)}")


def ask(run_dir: Path, request: Request, timeout_s: float = CLIENT_TIMEOUT_S) -> RunState:
    """Send ``request`` (without its version) to the process that runs the run; how the run does after it.

    Raises:
        RunError: Nobody answers, the run refuses, or the answer cannot be read.
    """
    try:
        with _short_path(run_dir) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(path)
            connection.sendall(json.dumps({"version": VERSION} | request).encode() + b"\n")
            with connection.makefile("rb") as replies:
                line = replies.readline(MAX_REPLY_BYTES)
        if not line:
            raise ConnectionResetError
    except TimeoutError:
        raise RunError(
            f"the process that runs {run_dir} does not answer within {timeout_s:g} s",
            hint="It may be suspended or very busy; try again",
        ) from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise RunError(
            f"{run_dir} has no control socket that answers",
            hint="The run is still starting, is ending, or lies on a file system without sockets; try again",
        ) from None
    except (ConnectionResetError, BrokenPipeError):
        raise RunError(
            f"the process that runs {run_dir} hung up",
            hint="It is ending, or too many commands ask it at once; try again",
        ) from None
    except PermissionError:
        raise RunError(f"{run_dir} belongs to another user", hint="Only the user who runs it controls it") from None
    except OSError as exc:
        raise RunError(f"{run_dir}: the control socket cannot be used: {exc.strerror or exc}") from None
    return _read_reply(run_dir, line)


def _read_reply(run_dir: Path, line: bytes) -> RunState:
    from pydantic import TypeAdapter

    try:
        reply = json.loads(line)
        if reply.get("error") is None:
            return TypeAdapter(RunState).validate_python(reply["state"])
    except (ValueError, KeyError, AttributeError):
        raise RunError(
            f"what the process that runs {run_dir} answered cannot be read",
            hint="It may have just ended, or be another version of routenator",
        ) from None
    raise RunError(f"{run_dir}: {show_line(str(reply['error']))}")


def _listen(run_dir: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        (run_dir / SOCKET_NAME).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(run_dir) as path:
            listener.bind(path)
            # Until `listen` nobody can connect: there is no moment at which the socket is open to others.
            os.chmod(path, 0o600)  # noqa: PTH101 - as short as the path above
        listener.listen(MAX_CLIENTS)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _short_path(run_dir: Path) -> Iterator[str]:
    """Path of the socket as the kernel takes it; a long one goes by way of a link in a private folder."""
    path = str((run_dir / SOCKET_NAME).absolute())
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="routenator-") as folder:
        link = Path(folder) / "run"
        link.symlink_to(run_dir.absolute(), target_is_directory=True)
        yield str(link / SOCKET_NAME)


def _identify(connection: Any) -> str:
    """Who is asking, of our own user or root; elsewhere than on Linux the socket's mode alone keeps others out."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "another terminal"
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid not in (0, os.geteuid()):
        raise RunError("it belongs to another user")
    return f"process {pid}"
