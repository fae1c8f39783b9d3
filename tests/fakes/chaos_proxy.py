"""A TCP proxy on loopback that spoils what passes, with the vocabulary of toxiproxy.

    async with ChaosProxy(fake.port) as proxy:
        toxic = proxy.add(Toxic("latency", latency=200, jitter=50))
        ... talk to proxy.base_url ...
        proxy.remove(toxic)

Toxics may come and go while connections are open. ``await proxy.set_enabled(False)`` refuses connections and cuts those
there are. Chances are drawn from ``seed``. Synchronous tests use `proxy_in_thread`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

Kind = Literal["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]
_PIECE = 1 << 14


@dataclass(frozen=True, eq=False)
class Toxic:
    """One way to spoil a stream; the attributes are toxiproxy's, and so are the units."""

    type: Kind
    stream: Literal["upstream", "downstream"] = "downstream"
    """``upstream``: what the client sends; ``downstream``: what the server answers."""
    toxicity: float = 1.0
    """Chance that a connection is touched."""
    latency: int = 0
    """ms before each piece."""
    jitter: int = 0
    """ms more or less."""
    rate: int = 0
    """KB/s."""
    delay: int = 0
    """``slow_close``: ms before the end is passed on; ``slicer``: µs after each slice."""
    timeout: int = 0
    """``timeout``: ms without data until the connection closes, 0 = never; ``reset_peer``: ms until the reset."""
    average_size: int = 1
    """Bytes of a slice."""
    size_variation: int = 0
    """Bytes more or less."""
    bytes: int = 0
    """Passed on before the connection closes."""


class _Link:
    """One connection: both writers, and what was drawn and counted for its toxics."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.writers = (client, server)
        self.touched: dict[Toxic, bool] = {}
        self.passed: dict[Toxic, int] = {}

    def close(self) -> None:
        for writer in self.writers:
            writer.close()

    def reset(self) -> None:
        """Close with RST: no time to linger."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class ChaosProxy:
    """Passes connections on to ``port`` of 127.0.0.1; see the module.

    Attributes:
        port: Where it listens; the same after it was disabled.
        connections: How many connections it has passed on.
    """

    def __init__(self, upstream_port: int, *toxics: Toxic, seed: int = 0) -> None:
        self.upstream_port = upstream_port
        self.port = 0
        self.connections = 0
        self.seed = seed
        self._toxics = list(toxics)
        self._random = random.Random(seed)
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    def add(self, toxic: Toxic) -> Toxic:
        """Spoil what passes from now on, on open connections too."""
        self._toxics.append(toxic)
        return toxic

    def remove(self, toxic: Toxic) -> None:
        """Let pass what this toxic spoilt."""
        self._toxics.remove(toxic)

    async def set_enabled(self, enabled: bool) -> None:
        """Disabled: connections are refused, and those there are end."""
        if enabled and self._server is None:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        elif not enabled and self._server is not None:
            self._server.close()
            self._server = None
            for link in tuple(self._links):
                link.close()

    async def __aenter__(self) -> ChaosProxy:
        await self.set_enabled(True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.set_enabled(False)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self.connections += 1
        link = _Link(writer, to_server)
        self._links.add(link)
        pumps = [
            asyncio.create_task(self._pump(link, reader, to_server, "upstream")),
            asyncio.create_task(self._pump(link, from_server, writer, "downstream")),
            asyncio.create_task(self._watch(link)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            link.close()
            self._links.discard(link)

    def _active(self, link: _Link, kind: Kind, stream: str | None = None) -> Toxic | None:
        for toxic in self._toxics:
            if toxic.type == kind and stream in (None, toxic.stream):
                if toxic not in link.touched:
                    link.touched[toxic] = self._random.random() < toxic.toxicity
                if link.touched[toxic]:
                    return toxic
        return None

    async def _watch(self, link: _Link) -> None:
        """End the connection when a toxic that counts time says so."""
        since: dict[Toxic, float] = {}
        now = asyncio.get_running_loop().time
        while True:
            reset, stopped = self._active(link, "reset_peer"), self._active(link, "timeout")
            if reset and now() - since.setdefault(reset, now()) >= reset.timeout / 1000:
                return link.reset()
            if stopped and stopped.timeout and now() - since.setdefault(stopped, now()) >= stopped.timeout / 1000:
                return link.close()
            await asyncio.sleep(0.005)

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: str) -> None:
        while piece := await reader.read(_PIECE):
            if toxic := self._active(link, "latency", stream):
                await asyncio.sleep(max(0, toxic.latency + self._random.uniform(-toxic.jitter, toxic.jitter)) / 1000)
            # Looked at again and again: a toxic is taken away without a word to the connections that it held.
            while self._active(link, "timeout", stream):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            for part in self._slice(link, piece, stream):
                if toxic := self._active(link, "bandwidth", stream):
                    await asyncio.sleep(len(part) / (toxic.rate * 1000))
                if toxic := self._active(link, "limit_data", stream):
                    room = toxic.bytes - link.passed.get(toxic, 0)
                    link.passed[toxic] = link.passed.get(toxic, 0) + len(part)
                    writer.write(part[: max(0, room)])
                    if len(part) >= room:
                        return
                else:
                    writer.write(part)
                await writer.drain()
                if toxic := self._active(link, "slicer", stream):
                    await asyncio.sleep(toxic.delay / 1e6)
        if toxic := self._active(link, "slow_close", stream):
            await asyncio.sleep(toxic.delay / 1000)

    def _slice(self, link: _Link, piece: bytes, stream: str) -> Iterator[bytes]:
        while piece:
            toxic = self._active(link, "slicer", stream)
            size = len(piece)
            if toxic:
                variation = self._random.randint(-toxic.size_variation, toxic.size_variation)
                size = max(1, toxic.average_size + variation)
            yield piece[:size]
            piece = piece[size:]


@contextmanager
def proxy_in_thread(proxy: ChaosProxy) -> Iterator[ChaosProxy]:
    """Run a proxy on an event loop of its own, for tests that are not asynchronous."""
    ready, done = threading.Event(), threading.Event()

    async def run() -> None:
        async with proxy:
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(10), "the proxy did not start"
    try:
        yield proxy
    finally:
        done.set()
        thread.join(10)
