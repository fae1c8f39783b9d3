import asyncio
import sys
from types import SimpleNamespace

import pytest

from routenator.engine.errors import AuthError, RunError
from routenator.engine.runs import worker_process
from routenator.engine.runs.states import WorkerState
from routenator.engine.runs.worker import PassResult
from routenator.engine.runs.worker_process import MAX_RESTARTS, ProcessWorker
from routenator.engine.runs.worker_serving import serve_worker

HEAD = "import json, sys\nsettings = json.loads(sys.stdin.readline())\nout = sys.stdout\n"
TELL = "def tell(**m):\n    out.write(json.dumps(m) + '\\n')\n    out.flush()\n"


async def start(script, said, tmp_path):
    """A worker process that follows ``script`` in place of a real one."""
    lock = (tmp_path / "lock").open("w")
    command = (sys.executable, "-c", HEAD + TELL + script)
    try:
        return await ProcessWorker.start(0, command, {"number": 0}, lock.fileno(), said.append)
    finally:
        lock.close()


async def test_a_pass_is_answered_and_what_is_said_comes_through(tmp_path):
    script = """
tell(ready=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["do"] == "pass":
        tell(say="half of it")
        tell(id=message["id"], result={"samples": 3, "barren": None}, state={"number": 0, "pid": 5, "in_flight": 2})
    if message["do"] == "leave":
        break
"""
    said = []
    worker = await start(script, said, tmp_path)
    await worker.wait_ready()
    assert await worker.run_pass(refills=True) == PassResult(3, None)
    assert said == ["half of it"]
    assert worker.state().in_flight == 2
    await worker.close()


async def test_an_error_of_the_worker_keeps_its_kind(tmp_path):
    script = """
tell(ready=True)
message = json.loads(sys.stdin.readline())
tell(id=message["id"], error={"kind": "AuthError", "what": "no", "hint": "set the key"})
sys.stdin.readline()
"""
    worker = await start(script, [], tmp_path)
    await worker.wait_ready()
    with pytest.raises(AuthError, match="set the key"):
        await worker.run_pass(refills=True)
    await worker.close()


async def test_a_worker_that_is_killed_is_started_again_as_it_was(tmp_path):
    script = f"""
import os, pathlib
marker = pathlib.Path({str(tmp_path / "killed")!r})
tell(ready=True, state={{"number": 0, "pid": os.getpid(), "accepted": {{"text": 4}}}})
heard = []
for line in sys.stdin:
    message = json.loads(line)
    heard.append(message["do"])
    if message["do"] == "pass" and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)
    if message["do"] == "pass":
        tell(id=message["id"], result={{"samples": len(heard), "barren": str(message["refills"])}})
    if message["do"] == "leave":
        break
"""
    said = []
    worker = await start(script, said, tmp_path)
    await worker.wait_ready()
    first = worker.state().pid
    worker.set_max_in_flight(3)
    worker.pause()
    assert await worker.run_pass(refills=True) == PassResult(3, "True"), "set, pause and pass were sent again"
    assert worker.state().pid != first and worker.state().accepted == {"text": 4}
    [line] = said
    assert line.startswith(f"worker 0 (process {first}) was ended by SIGKILL: it is started again")
    await worker.close()


@pytest.mark.parametrize("last_words", ["", 'out.write(\'{"state": {"num\'); out.flush()'])
async def test_a_worker_that_is_killed_again_and_again_is_named_also_in_the_middle_of_a_line(tmp_path, last_words):
    script = f"""
import os
tell(ready=True)
sys.stdin.readline()
print("it hurts", file=sys.stderr, flush=True)
{last_words}
os.kill(os.getpid(), 9)
"""
    said = []
    worker = await start(script, said, tmp_path)
    await worker.wait_ready()
    with pytest.raises(RunError, match=r"worker 0 .* ended unexpectedly: SIGKILL; it said last: it hurts"):
        await worker.run_pass(refills=True)
    assert len(said) == MAX_RESTARTS
    with pytest.raises(RunError, match="ended unexpectedly"):
        await worker.run_pass(refills=True)
    await worker.close()


async def test_a_worker_whose_successor_is_killed_while_it_loads_is_started_once_more(tmp_path):
    script = f"""
import os, pathlib
starts = pathlib.Path({str(tmp_path / "starts")!r})
number = int(starts.read_text()) + 1 if starts.exists() else 1
starts.write_text(str(number))
if number == 2:
    os.kill(os.getpid(), 9)
tell(ready=True)
message = json.loads(sys.stdin.readline())
if number == 1:
    os.kill(os.getpid(), 9)
tell(id=message["id"], result={{"samples": number, "barren": None}})
sys.stdin.readline()
"""
    said = []
    worker = await start(script, said, tmp_path)
    await worker.wait_ready()
    assert await worker.run_pass(refills=True) == PassResult(3, None)
    assert len(said) == 2
    await worker.close()


DIES_WHEN_STOPPED = """
import os, signal
signal.signal(2, signal.SIG_DFL)
tell(ready=True)
for line in sys.stdin:
    if json.loads(line)["do"] == "stop":
        os.kill(os.getpid(), 2)
"""
HEEDS_NOTHING = "tell(ready=True)\nfor line in sys.stdin:\n    pass"


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("script", "words"),
    [(DIES_WHEN_STOPPED, "SIGINT"), (HEEDS_NOTHING, "it did not stop within")],
    ids=["is killed", "does not stop"],
)
async def test_a_worker_that_ends_in_any_way_while_the_run_stops_has_stopped(tmp_path, monkeypatch, script, words):
    monkeypatch.setattr(worker_process, "STOP_LIMIT_S", 0.5)
    said = []
    worker = await start(script, said, tmp_path)
    await worker.wait_ready()
    at_work = asyncio.create_task(worker.run_pass(refills=True))
    await asyncio.sleep(0.1)
    worker.stop()
    assert await asyncio.wait_for(at_work, 10) == PassResult(0, None)
    assert words in said[0]
    await worker.close()


async def test_nothing_of_a_worker_stays_behind_when_its_end_is_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_process, "LEAVE_S", 0.5)
    worker = await start(HEEDS_NOTHING, [], tmp_path)
    await worker.wait_ready()
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0.1)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert worker._process.returncode == -9


@pytest.mark.parametrize(
    "words",
    [
        'tell(ready=True, state={"nonsense": 1})',
        "out.write('no JSON\\n'); out.flush()",
        'out.write("x" * (65 << 20) + "\\n"); out.flush()',
    ],
    ids=["no state", "no JSON", "a line without end"],
)
async def test_a_worker_that_cannot_be_understood_is_ended_and_named(tmp_path, words):
    worker = await start(f"{words}\nsys.stdin.readline()\nsys.stdin.readline()", [], tmp_path)
    async with asyncio.timeout(20):
        with pytest.raises(RunError, match=r"worker 0 .* what it sent cannot be read"):
            await worker.wait_ready()
            await worker.run_pass(refills=True)
        await worker.close()


async def test_a_worker_that_is_silent_for_long_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_process, "SILENT_S", 0.3)
    script = """
tell(ready=True, state={"number": 0, "pid": 5})
for line in sys.stdin:
    break
"""
    worker = await start(script, [], tmp_path)
    await worker.wait_ready()
    assert worker.state().stuck is None
    await asyncio.sleep(0.4)
    assert "has not been heard of for" in worker.state().stuck
    await worker.close()


async def test_an_error_that_nobody_foresaw_is_answered_as_well(capfd):
    class Broken:
        number = 1

        async def run_pass(self, *, refills):
            raise OverflowError("too large")

        def state(self):
            return WorkerState(1, 2)

    answers = asyncio.Queue()
    channel = SimpleNamespace(send=lambda **message: answers.put_nowait(message) if "id" in message else None)
    messages = asyncio.StreamReader()
    messages.feed_data(b'{"do": "pass", "id": 7, "refills": true}\n')
    served = asyncio.create_task(serve_worker(Broken(), messages, channel))
    answer = await asyncio.wait_for(answers.get(), 10)
    served.cancel()
    assert answer["id"] == 7 and answer["error"]["what"] == "worker 1 failed: OverflowError: too large"
    assert "Traceback" in capfd.readouterr().err


async def test_a_worker_that_cannot_load_says_why(tmp_path):
    script = 'tell(ready=True, error={"kind": "ConfigError", "what": "the pack has gone", "hint": None})'
    worker = await start(script, [], tmp_path)
    with pytest.raises(RunError, match="the pack has gone"):
        await worker.wait_ready()
    await worker.close()
