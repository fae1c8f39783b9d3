"""One replica's HTTP client: the OpenAI SDK over aiohttp, without its retries, with a cap on what is read."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from functools import cache

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient

from routenator.engine.config import Endpoint
from routenator.engine.errors import EndpointError

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 3.0
"""Shorter than the 5 s after which uvicorn (vLLM) and llama.cpp close an idle connection: we close first, no race."""


class ReplyTooLargeError(EndpointError):
    """The body is beyond ``max_reply_bytes``; reading stopped there."""


class _CappedStream(httpx2.AsyncByteStream):
    """A response body that raises once more than ``cap_bytes`` were read of it."""

    def __init__(self, stream: httpx2.AsyncByteStream, cap_bytes: int) -> None:
        self._stream = stream
        self._cap_bytes = cap_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > self._cap_bytes:
                raise ReplyTooLargeError(f"the reply is larger than {self._cap_bytes} bytes and was cut off")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes 50 ms."""
    return httpx2.create_ssl_context()


def make_client(base_url: str, endpoint: Endpoint, key: str | None) -> AsyncOpenAI:
    """Build the client of one replica, for the running event loop.

    Nothing is taken from the environment but proxies, and those never for a loopback address. Redirects are not
    followed, so that a key goes nowhere else. Total deadlines are the caller's: the client's time-outs are per read.
    """

    async def cap_reply(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            # We ask for identity. A compressed body would slip its true size past the cap.
            raise EndpointError("the server compresses its replies although it was asked not to")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _CappedStream(response.stream, endpoint.max_reply_bytes)

    host = httpx2.URL(base_url).host
    http_client = DefaultAioHttpClient(
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        limits=httpx2.Limits(
            max_connections=endpoint.max_in_flight,
            max_keepalive_connections=endpoint.max_in_flight,
            keepalive_expiry=KEEPALIVE_S,
        ),
        follow_redirects=False,
        verify=_ssl_context(),
        trust_env=not (host == "localhost" or host.startswith("127.") or host == "::1"),
        event_hooks={"response": [cap_reply]},
    )
    client = AsyncOpenAI(
        base_url=base_url,
        api_key=key or "none",  # never None: the SDK would send the user's OPENAI_API_KEY to any server
        max_retries=0,
        timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
        http_client=http_client,
        default_headers={"Accept-Encoding": "identity"},
    )
    client.organization = client.project = None
    return client
