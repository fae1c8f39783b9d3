"""The worker process's own end: it does what the coordinator asks, over its standard input and output.

The messages are those of `routenator.engine.runs.worker_process`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from routenator.engine.errors import RouteNatorError, RunError
from routenator.engine.ledger.writer import Duplicate
from routenator.engine.runs.worker import LocalWorker
from routenator.engine.runs.worker_process import LONGEST_LINE_BYTES
from routenator.engine.sample import SampleKey

STATE_INTERVAL_S = 0.5
_REPORT = "This is a fault of routenator: please report it. What was committed is kept"


class Channel:
    """Lines to the coordinator on what was the standard output.

    From now on, whatever else is printed goes to standard error: a stray line must not look like a message.
    """

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def send(self, **message: Any) -> None:
        """One message. A coordinator that has gone ends this process."""
        data = orjson.dumps(message) + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            os._exit(1)

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        self.send(say=text)


async def read_messages() -> asyncio.StreamReader:
    """What the coordinator sends, as a stream of lines."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


async def serve_worker(worker: LocalWorker, messages: asyncio.StreamReader, channel: Channel) -> None:
    """Do what the coordinator asks until it says that this is the end."""
    tasks: set[asyncio.Task[None]] = {asyncio.create_task(_tell_state(worker, channel))}
    channel.send(ready=True, state=asdict(worker.state()))
    try:
        while line := await messages.readline():
            message = orjson.loads(line)
            match message["do"]:
                case "pass" | "mark":
                    task = asyncio.create_task(_answer(worker, message, channel))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                case "enough":
                    worker.stop_refilling()
                case "pause":
                    worker.pause()
                case "resume":
                    worker.resume()
                case "stop":
                    worker.stop()
                case "set":
                    worker.set_max_in_flight(message["max_in_flight"])
                case "leave":
                    return
        os._exit(1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell_state(worker: LocalWorker, channel: Channel) -> None:
    while True:
        channel.send(state=asdict(worker.state()))
        await asyncio.sleep(STATE_INTERVAL_S)


async def _answer(worker: LocalWorker, message: Mapping[str, Any], channel: Channel) -> None:
    try:
        result = None
        if message["do"] == "pass":
            result = asdict(await worker.run_pass(refills=message["refills"]))
        else:
            await worker.mark_duplicates(
                [Duplicate(SampleKey(slot, round), of, kind) for slot, round, of, kind in message["duplicates"]]
            )
    except RouteNatorError as exc:
        channel.send(id=message["id"], error=to_wire(exc), state=asdict(worker.state()))
    except Exception as exc:
        # Whatever it is: a coordinator that hears nothing waits for ever.
        traceback.print_exc()
        error = RunError(f"worker {worker.number} failed: {type(exc).__name__}: {exc}", hint=_REPORT)
        channel.send(id=message["id"], error=to_wire(error), state=asdict(worker.state()))
    else:
        channel.send(id=message["id"], result=result, state=asdict(worker.state()))


def to_wire(error: RouteNatorError) -> dict[str, Any]:
    """An error as a message holds it."""
    return {"kind": type(error).__name__, "what": error.what, "hint": error.hint}
