"""A worker in a process of its own: lines of JSON over its standard input and output.

The coordinator sends ``{"do": …}``, with an ``id`` where it waits for an answer; the process sends ``{"id", "result"}``
or ``{"id", "error"}``, its state twice a second, and what it has to say. A process whose input ends has lost its
coordinator and leaves at once: what it has committed stays, the rest is open.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self

import orjson
from pydantic import TypeAdapter

from routenator.engine.errors import AuthError, RouteNatorError, RunError, WrongModelError
from routenator.engine.ledger.writer import Duplicate
from routenator.engine.runs.states import WorkerState
from routenator.engine.runs.window import DRAIN_S
from routenator.engine.runs.worker import PassResult

SILENT_S = 10.0
"""Seconds without a word from a worker, which tells its state twice a second, from which it is said."""
STOP_LIMIT_S = DRAIN_S + SILENT_S
"""Seconds that a worker has to answer once it is told to stop; then it hangs, and is ended."""
MAX_RESTARTS = 3
"""Times that the process of a worker is started again after it was killed, in one run."""
LEAVE_S = 3.0
"""Seconds that a worker has for its last commit when the run is left."""
LONGEST_LINE_BYTES = 1 << 26
_STDERR_LINES = 15
_LONGEST_QUOTE = 200
_ERRORS: dict[str, type[RouteNatorError]] = {kind.__name__: kind for kind in (AuthError, WrongModelError, RunError)}

_STATE = TypeAdapter(WorkerState)

Spawn = Callable[[], Awaitable[Process]]
"""Starts a worker's process and sends it its settings."""


class ProcessWorker:
    """A `routenator.engine.runs.worker.Worker` whose samples run in another process.

    A process that is killed, as by the kernel for want of memory, is started again `MAX_RESTARTS` times: what it had
    committed stands, and the slots that it had in flight are open.

    Args:
        number: 0 to workers - 1.
        process: The process; it has our pipes and its settings.
        spawn: Starts another one like it.
        say: Takes what the worker has to say.
    """

    def __init__(self, number: int, process: Process, spawn: Spawn, say: Callable[[str], None]) -> None:
        self._number = number
        self._spawn = spawn
        self._say = say
        self._state = WorkerState(number, process.pid)
        self._ids = itertools.count(1)
        self._restarts = 0
        self._is_leaving = False
        self._is_stopping = False
        self._is_paused = False
        self._has_enough = False
        self._max_in_flight: int | None = None
        self._adopt(process)

    def _adopt(self, process: Process) -> None:
        """From now on, ``process`` is the worker's."""
        self._process = process
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._fault: str | None = None
        self._heard_at = time.monotonic()
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._readers = (loop.create_task(self._read()), loop.create_task(self._read_stderr()))

    @classmethod
    async def start(
        cls,
        number: int,
        command: Sequence[str],
        settings: Mapping[str, Any],
        lock_descriptor: int,
        say: Callable[[str], None],
    ) -> Self:
        """Start the process and send it its settings; `wait_ready` says when it can be asked.

        Args:
            number: Of the worker.
            command: Program and arguments; keys come to it through its environment.
            settings: Sent as its first line; JSON-able.
            lock_descriptor: The run's lock, which the process holds as long as it lives.
            say: Takes what the worker has to say.
        """

        async def spawn() -> Process:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(lock_descriptor,),
                    limit=LONGEST_LINE_BYTES,
                )
            except OSError as exc:
                raise RunError(
                    f"no process can be started for worker {number}: {exc.strerror}",
                    hint="Give the same command again, with fewer --workers",
                ) from None
            _write(process, settings)
            return process

        return cls(number, await spawn(), spawn, say)

    async def wait_ready(self) -> None:
        """Return when the worker has loaded all that it needs.

        Raises:
            RunError: It cannot.
        """
        await self._ready

    async def run_pass(self, *, refills: bool) -> PassResult:
        """See `Worker.run_pass`. One that ends while it stops has stopped: what it had committed stands."""
        self._has_enough = False
        try:
            return PassResult(**await self._insist({"do": "pass", "refills": refills}))
        except RunError as failure:
            if not self._is_stopping or self._process.returncode is None:
                raise
            self._say(failure.what)
            return PassResult(0, None)

    async def mark_duplicates(self, duplicates: Sequence[Duplicate]) -> None:
        """See `Worker.mark_duplicates`."""
        rows = [(item.key.slot, item.key.round, item.of, item.kind) for item in duplicates]
        await self._insist({"do": "mark", "duplicates": rows})

    def state(self) -> WorkerState:
        """The last state that came: at most `STATE_INTERVAL_S` old; after a pass, that of its end.

        A process that is silent for long, because it hangs or was suspended, is named as what is in the way.
        """
        silent_s = time.monotonic() - self._heard_at
        if silent_s < SILENT_S or self._process.returncode is not None:
            return self._state
        return replace(self._state, stuck=f"{self._name()} has not been heard of for {silent_s:.0f} s")

    def stop_refilling(self) -> None:
        """See `Worker.stop_refilling`."""
        self._has_enough = True
        self._send({"do": "enough"})

    def pause(self) -> None:
        """See `Worker.pause`."""
        self._is_paused = True
        self._send({"do": "pause"})

    def resume(self) -> None:
        """See `Worker.resume`."""
        self._is_paused = False
        self._send({"do": "resume"})

    def stop(self) -> None:
        """See `Worker.stop`."""
        self._is_stopping = True
        self._send({"do": "stop"})
        asyncio.get_running_loop().call_later(STOP_LIMIT_S, self._end_late)

    def set_max_in_flight(self, max_in_flight: int) -> None:
        """See `Worker.set_max_in_flight`."""
        self._max_in_flight = max_in_flight
        self._send({"do": "set", "max_in_flight": max_in_flight})

    async def close(self) -> None:
        """Let the process commit and leave; end it if it does not."""
        self._is_leaving = True
        leaving = asyncio.create_task(self._leave())
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await leaving  # a second Ctrl-C: it has its seconds all the same, and none of it stays behind
            raise

    async def _leave(self) -> None:
        self._send({"do": "leave"})
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()
        finally:
            for reader in self._readers:
                reader.cancel()
            await asyncio.gather(*self._readers, return_exceptions=True)

    def _end_late(self) -> None:
        if (self._waiting or not self._ready.done()) and self._fault is None:
            self._fault = f"it did not stop within {STOP_LIMIT_S:.0f} s"
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    def _send(self, message: Mapping[str, Any]) -> None:
        _write(self._process, message)

    async def _insist(self, message: dict[str, Any]) -> Any:
        """`_ask`, and ask the process that takes its place if this one is killed."""
        while True:
            try:
                if self._may_start_again():
                    await self._start_again()
                return await self._ask(message)
            except RunError:
                if not self._may_start_again():
                    raise
            if self._has_enough and message["do"] == "pass":
                message = message | {"refills": False}

    def _may_start_again(self) -> bool:
        """Whether it was killed, not by us, and there is something left for another process to do."""
        was_killed = self._signal() is not None and self._fault is None
        return was_killed and not self._is_stopping and self._restarts < MAX_RESTARTS

    async def _start_again(self) -> None:
        self._restarts += 1
        self._say(f"{self._name()} was ended by {self._signal()}: it is started again, and goes on where it stood.")
        for reader in self._readers:
            reader.cancel()
        self._state = replace(self._state, in_flight=0, oldest=())
        self._adopt(await self._spawn())
        await self._ready
        if self._max_in_flight is not None:
            self._send({"do": "set", "max_in_flight": self._max_in_flight})
        if self._is_paused:
            self._send({"do": "pause"})
        if self._is_stopping:
            self._send({"do": "stop"})

    async def _ask(self, message: dict[str, Any]) -> Any:
        identifier = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[identifier] = answer
        if self._process.returncode is not None:
            answer.set_exception(self._death())
        self._send(message | {"id": identifier})
        try:
            return await answer
        finally:
            self._waiting.pop(identifier, None)

    async def _read(self) -> None:
        """Take its messages until it ends; whoever waits for an answer then learns that none will come."""
        try:
            await self._read_messages()
        except Exception as exc:
            # Not one of ours any more; and if nobody read what it sends, all would wait for it for ever.
            self._fault = f"what it sent cannot be read: {type(exc).__name__}: {str(exc)[:_LONGEST_QUOTE]}"
            self._kill()
        await self._process.wait()
        await asyncio.wait(self._readers[1:], timeout=1)  # its last words
        for future in (self._ready, *self._waiting.values()):
            if not future.done() and not self._is_leaving:
                future.set_exception(self._death())

    async def _read_messages(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if not line.endswith(b"\n"):
                break  # it was killed while it wrote
            message = orjson.loads(line)
            self._heard_at = time.monotonic()
            if "state" in message:
                self._state = _STATE.validate_python(message["state"])
            if "say" in message:
                self._say(message["say"])
            if message.get("ready"):
                self._settle(self._ready, None, message.get("error"))
            answer = self._waiting.get(message.get("id", 0))
            if answer is not None:
                self._settle(answer, message.get("result"), message.get("error"))

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._stderr.append(line.decode("utf-8", "replace").rstrip())

    def _settle(self, future: asyncio.Future[Any], result: Any, error: Mapping[str, Any] | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(_ERRORS.get(error["kind"], RunError)(error["what"], hint=error["hint"]))

    def _name(self) -> str:
        return f"worker {self._number} (process {self._process.pid})"

    def _signal(self) -> str | None:
        """The signal that ended the process, if one did."""
        code = self._process.returncode
        return signal.Signals(-code).name if code is not None and code < 0 else None

    def _death(self) -> RunError:
        how = self._fault or self._signal() or f"exit code {self._process.returncode}"
        said = f"; it said last: {self._stderr[-1]}" if self._stderr else ""
        return RunError(
            f"{self._name()} ended unexpectedly: {how}{said}",
            hint="Everything that it had committed is kept. Give the same command again to go on",
        )


def _write(process: Process, message: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    with suppress(OSError, RuntimeError):  # it has gone: its reader says so to whoever waits
        process.stdin.write(orjson.dumps(message) + b"\n")
