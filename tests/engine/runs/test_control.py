"""The control socket: who may ask, what is answered, and that nothing a client does disturbs the run."""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.run_states import make_state

from routenator.engine.errors import RunError
from routenator.engine.runs.control import CLIENT_TIMEOUT_S, MAX_CLIENTS, MAX_REQUEST_BYTES, ControlServer, ask


class StandIn:
    """A run that only notes what it is asked for."""

    def __init__(self):
        self.asked = []
        self.refusal = None
        self.now = make_state()

    def state(self):
        return self.now

    def _note(self, what):
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(what)

    def pause(self):
        self._note("pause")
        self.now = replace(self.now, paused=True)

    def resume(self):
        self._note("resume")

    def stop(self):
        self._note("stop")

    def set_max_in_flight(self, max_in_flight):
        self._note(max_in_flight)
        self.now = replace(self.now, max_in_flight=min(100, max_in_flight))


@pytest.fixture
def run():
    return StandIn()


@pytest.fixture
async def said(run, tmp_path):
    """A server on ``tmp_path``; the lines that it said."""
    lines = []
    async with ControlServer(tmp_path, run, lines.append):
        yield lines


@pytest.fixture
def open_folder():
    """A folder that others may look into, as they may not into pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


async def send(run_dir, line, limit_s=2 * CLIENT_TIMEOUT_S):
    """What one line is answered with."""
    reader, writer = await asyncio.open_unix_connection(run_dir / "control.sock", limit=1 << 20)
    writer.write(line)
    reply = await asyncio.wait_for(reader.read(), limit_s)
    writer.close()
    return json.loads(reply)


async def asking(run_dir, **request):
    return await asyncio.to_thread(ask, run_dir, request)


async def test_status_comes_back_as_it_was_sent(run, said, tmp_path):
    assert await asking(tmp_path, do="status") == run.now
    assert run.asked == said == []


async def test_each_command_reaches_the_run_and_is_said_with_who_asked(run, said, tmp_path):
    assert (await asking(tmp_path, do="pause")).paused
    await asking(tmp_path, do="resume")
    await asking(tmp_path, do="set", max_in_flight=128)
    await asking(tmp_path, do="stop")
    assert run.asked == ["pause", "resume", 128, "stop"]
    assert len(said) == 4
    assert all(f"process {os.getpid()}" in line for line in said)
    assert "at most 100 from now on" in said[2] and "128 were asked for" in said[2], "what is, not what was asked for"


async def test_what_the_run_refuses_is_not_said_as_if_it_were_done(run, said, tmp_path):
    run.refusal = RunError("it still loads")
    for request in ({"do": "pause"}, {"do": "resume"}, {"do": "set", "max_in_flight": 3}):
        with pytest.raises(RunError, match="still loads"):
            await asking(tmp_path, **request)
    assert said == []


async def test_the_socket_is_its_users_alone_and_gone_at_the_end(run, tmp_path):
    async with ControlServer(tmp_path, run, print):
        mode = (tmp_path / "control.sock").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert list(tmp_path.iterdir()) == []


OTHER_USER = """
import os, sys
from pathlib import Path
import pydantic  # while its files may be read
pydantic.TypeAdapter
from routenator.engine.errors import RunError
from routenator.engine.runs.control import ask
os.setgid(65534)
os.setuid(65534)
try:
    ask(Path(sys.argv[1]), {"do": "stop"})
except RunError as exc:
    print(exc.what)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o600, 0o666])
async def test_another_user_is_refused_even_when_the_mode_lets_him_in(run, open_folder, mode):
    async with ControlServer(open_folder, run, print):
        (open_folder / "control.sock").chmod(mode)
        command = (sys.executable, "-c", OTHER_USER, str(open_folder))
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await child.communicate()
    assert "belongs to another user" in out.decode()
    assert run.asked == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "not a line of JSON"),
        (b"\x00\xff\x1b[2J\n", "not a line of JSON"),
        (b"[" * 4000 + b"\n", "not a line of JSON"),
        (b"[]\n", "version 1"),
        (b'{"do": "status"}\n', "version 1"),
        (b'{"version": 2, "do": "status"}\n', "version 1"),
        (b'{"version": 1}\n', "unknown request: None"),
        (b'{"version": 1, "do": "\\u001b[2Jrm"}\n', "unknown request: \\x1b[2Jrm"),
        (b'{"version": 1, "do": "set"}\n', "whole number"),
        (b'{"version": 1, "do": "set", "max_in_flight": 0}\n', "whole number"),
        (b'{"version": 1, "do": "set", "max_in_flight": true}\n', "whole number"),
        (b'{"version": 1, "do": "set", "max_in_flight": 1e9}\n', "whole number"),
        (b"x" * (2 * MAX_REQUEST_BYTES) + b"\n", "too long"),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(run, said, tmp_path, line, why):
    assert why in (await send(tmp_path, line))["error"]
    assert run.asked == said == []
    assert (await asking(tmp_path, do="status")) == run.now


async def test_clients_that_say_nothing_are_cut_and_others_turned_away_meanwhile(run, said, tmp_path):
    silent = [await asyncio.open_unix_connection(tmp_path / "control.sock") for _ in range(MAX_CLIENTS)]
    await asyncio.sleep(0.1)
    with pytest.raises(RunError, match="hung up"):
        await asking(tmp_path, do="stop")
    for reader, writer in silent:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 4 * CLIENT_TIMEOUT_S)
        writer.close()
    assert (await asking(tmp_path, do="status")) == run.now
    assert run.asked == []


async def test_a_client_that_never_reads_its_reply_does_not_hold_the_run_up(run, said, tmp_path):
    run.now = replace(run.now, phase="x" * (8 << 20))
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(tmp_path / "control.sock"))
        deaf.sendall(b'{"version": 1, "do": "status"}\n')
        await asyncio.sleep(0.1)
        run.now = make_state()
        assert await asyncio.wait_for(asking(tmp_path, do="status"), CLIENT_TIMEOUT_S) == run.now


async def test_a_path_that_is_too_long_for_a_socket_works(run, tmp_path):
    folder = tmp_path.joinpath(*["a-rather-long-name-for-a-folder"] * 8)
    folder.mkdir(parents=True)
    async with ControlServer(folder, run, print):
        assert stat.S_IMODE((folder / "control.sock").stat().st_mode) == 0o600
        assert await asking(folder, do="status") == run.now
    assert list(folder.iterdir()) == []


async def test_the_socket_of_a_killed_run_is_replaced(run, tmp_path):
    killed = socket.socket(socket.AF_UNIX)
    killed.bind(str(tmp_path / "control.sock"))
    killed.close()
    with pytest.raises(RunError, match="no control socket that answers"):
        await asking(tmp_path, do="status")
    async with ControlServer(tmp_path, run, print):
        assert await asking(tmp_path, do="status") == run.now


async def test_where_no_socket_can_be_made_the_run_goes_on_and_says_so_once(run, tmp_path):
    (tmp_path / "control.sock").mkdir()
    lines = []
    async with ControlServer(tmp_path, run, lines.append):
        pass
    assert len(lines) == 1
    assert "No control socket" in lines[0]


async def test_who_does_not_answer_is_told_from_who_is_not_there(tmp_path):
    with pytest.raises(RunError, match="no control socket that answers"):
        ask(tmp_path, {"do": "status"})
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(tmp_path / "control.sock"))
        frozen.listen()
        with pytest.raises(RunError, match="does not answer within"):
            ask(tmp_path, {"do": "status"}, timeout_s=0.2)


@pytest.mark.parametrize("reply", [b"{", b"[]\n", b'{"version": 1}\n', b'{"version": 1, "state": {"planned": "x"}}\n'])
async def test_an_answer_that_cannot_be_read_is_an_error_of_ours(tmp_path, reply):
    async def answer(reader, writer):
        await reader.readline()
        writer.write(reply)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "control.sock"):
        with pytest.raises(RunError, match="cannot be read"):
            await asking(tmp_path, do="status")
