"""The proxy spoils what it says, and nothing else."""

import asyncio
import time

import pytest
from fakes.chaos_proxy import ChaosProxy, Toxic


async def echo(reader, writer):
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.close()


@pytest.fixture
async def port():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def say(proxy, text=b"hello", wanted=None):
    """What comes back until ``wanted`` bytes are there or the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(text)
        came = b""
        while len(came) < (len(text) if wanted is None else wanted):
            if not (piece := await reader.read(1 << 16)):
                break
            came += piece
        return came
    finally:
        writer.close()


async def test_without_toxics_everything_passes(port):
    text = bytes(range(256)) * 2000
    async with ChaosProxy(port) as proxy:
        assert await say(proxy, text) == text


@pytest.mark.parametrize(
    "toxic",
    [
        Toxic("latency", latency=300, jitter=50),
        Toxic("bandwidth", rate=20),
        Toxic("slicer", average_size=100, size_variation=50, delay=5000),
    ],
    ids=lambda toxic: toxic.type,
)
async def test_slow_toxics_delay_and_change_nothing(port, toxic):
    text = b"abcdefgh" * 700
    async with ChaosProxy(port, toxic, seed=4) as proxy:
        began = time.monotonic()
        assert await say(proxy, text) == text
        assert time.monotonic() - began > 0.15


async def test_limit_data_ends_after_so_many_bytes(port):
    async with ChaosProxy(port, Toxic("limit_data", bytes=7)) as proxy:
        assert await say(proxy, b"0123456789") == b"0123456"


async def test_reset_peer_resets(port):
    async with ChaosProxy(port, Toxic("reset_peer", timeout=50)) as proxy:
        with pytest.raises(ConnectionResetError):
            await say(proxy, wanted=100)


async def test_timeout_stops_the_data_and_closes(port):
    async with ChaosProxy(port, Toxic("timeout", timeout=100)) as proxy:
        assert await asyncio.wait_for(say(proxy), 10) == b""


async def test_timeout_0_stops_the_data_until_it_is_removed_from_the_open_connection(port):
    async with ChaosProxy(port) as proxy:
        toxic = proxy.add(Toxic("timeout"))
        waiting = asyncio.create_task(say(proxy))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        proxy.remove(toxic)
        assert await asyncio.wait_for(waiting, 10) == b"hello"


async def test_slow_close_keeps_the_end_back(port):
    async def hang_up(reader, writer):
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    toxic = Toxic("slow_close", delay=300)
    async with server, ChaosProxy(server.sockets[0].getsockname()[1], toxic) as proxy:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        assert time.monotonic() - began > 0.25
        writer.close()


async def test_upstream_toxics_touch_only_what_the_client_sends(port):
    async with ChaosProxy(port, Toxic("limit_data", stream="upstream", bytes=3)) as proxy:
        assert len(await say(proxy)) <= 3


async def test_toxicity_is_a_chance_by_connection_and_the_same_for_the_same_seed(port):
    async def outcomes():
        async with ChaosProxy(port, Toxic("limit_data", bytes=1, toxicity=0.5), seed=11) as proxy:
            return [await say(proxy) for _ in range(30)]

    first = await outcomes()
    assert set(first) == {b"hello", b"h"}
    assert await outcomes() == first


async def test_a_disabled_proxy_refuses_and_serves_again_on_its_port(port):
    async with ChaosProxy(port) as proxy:
        was = proxy.port
        await proxy.set_enabled(False)
        with pytest.raises(ConnectionRefusedError):
            await say(proxy)
        await proxy.set_enabled(True)
        assert proxy.port == was
        assert await say(proxy) == b"hello"
