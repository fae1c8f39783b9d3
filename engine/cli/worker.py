"""The worker process of a run with several workers; `generate` starts ``python -m routenator.engine.cli.worker``."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from routenator.engine.cli.console import SayHandler
from routenator.engine.cli.embedded_servers import BaseUrls
from routenator.engine.cli.event_loop import run_async
from routenator.engine.cli.garbage import collect_seldom
from routenator.engine.cli.inputs import stored_inputs
from routenator.engine.cli.services import Knowledge, connect, make_worker_runner
from routenator.engine.datasets.run_meta import RunMeta
from routenator.engine.errors import RouteNatorError
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.reader import LedgerReader
from routenator.engine.runs.file_limit import raise_file_limit
from routenator.engine.runs.worker import LocalWorker
from routenator.engine.runs.worker_serving import Channel, read_messages, serve_worker, to_wire

ECHO_S = 20.0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the coordinator tells a worker beside what stands in the run's directory.

    Attributes:
        base_urls: Of embedded servers, which the coordinator holds.
        max_in_flight: Samples at once over all workers.
    """

    run_dir: str
    number: int
    workers: int
    max_in_flight: int
    base_urls: BaseUrls

    def to_message(self) -> dict[str, Any]:
        """The first line that the worker reads."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> WorkerSettings:
        """Read what `to_message` gave."""
        urls = {name: tuple(found) for name, found in message["base_urls"].items()}
        return cls(**{**message, "base_urls": urls})


def worker_command() -> tuple[str, ...]:
    """Starts a worker process."""
    # -P: a user's folder with a module of the same name must not be imported.
    return sys.executable, "-P", "-m", "routenator.engine.cli.worker"


async def work(channel: Channel) -> None:
    """Load what the run names, say that all is ready, and serve the coordinator until it says so."""
    messages = await read_messages()
    settings = WorkerSettings.from_message(orjson.loads(await messages.readline()))
    run_dir = Path(settings.run_dir)
    try:
        with LedgerReader(run_dir) as reader:
            stored = reader.meta()
        inputs, meta = stored_inputs(stored), RunMeta.from_meta(stored)
        knowledge = await asyncio.to_thread(Knowledge.load, inputs, channel.say)
    except RouteNatorError as exc:
        channel.send(ready=True, error=to_wire(exc))
        return
    async with connect(inputs.endpoints, settings.base_urls, settings.workers) as pool:
        worker = LocalWorker(
            run_dir,
            Layout(**stored["layout"]),
            inputs.recipe,
            make_worker_runner(inputs, knowledge, pool, meta),
            number=settings.number,
            workers=settings.workers,
            max_in_flight=settings.max_in_flight,
        )
        async with worker:
            with collect_seldom():
                await serve_worker(worker, messages, channel)


def say_once(say: Callable[[str], None]) -> Callable[[str], None]:
    """What several workers say in the same words within `ECHO_S` seconds is said once."""
    said_at: dict[str, float] = {}

    def tell(text: str) -> None:
        now = time.monotonic()
        if now - said_at.get(text, float("-inf")) > ECHO_S:
            say(text)
        said_at[text] = now
        for old in [other for other, at in said_at.items() if now - at > ECHO_S]:
            del said_at[old]

    return tell


def main() -> None:
    """Be a worker."""
    # A terminal sends Ctrl-C, and a batch system SIGTERM, to all processes: what follows is for the coordinator to say.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise_file_limit()
    channel = Channel()
    logging.getLogger().addHandler(SayHandler(channel.say))
    run_async(work(channel))


if __name__ == "__main__":
    main()
