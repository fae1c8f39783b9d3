"""The transport ``openai``: the OpenAI SDK over aiohttp, without its retries, with a cap on what is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import aiohttp
import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from routenator.engine.config import Endpoint
from routenator.engine.llm.chat_client import RawReply
from routenator.engine.llm.connection import (
    CONNECT_TIMEOUT_S,
    KEEPALIVE_S,
    ReplyTooLargeError,
    error_of_connection,
    is_loopback,
    metrics_url,
    most_connections,
    refuse_compressed,
    tls_context,
)


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
                raise ReplyTooLargeError(self._cap_bytes)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class OpenAiClient:
    """A `ChatClient` by the OpenAI SDK. Made on a running event loop.

    Nothing is taken from the environment but proxies, and those never for a loopback address. Redirects are not
    followed, so that a key goes nowhere else. The SDK's typed parsing is passed by: it doubles the CPU of a call.
    """

    def __init__(self, base_url: str, endpoint: Endpoint, key: str | None) -> None:
        async def cap_reply(response: httpx2.Response) -> None:
            refuse_compressed(response.headers)
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _CappedStream(response.stream, endpoint.max_reply_bytes)

        connections = most_connections(endpoint)
        http_client = DefaultAioHttpClient(
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEEPALIVE_S
            ),
            follow_redirects=False,
            verify=tls_context(),
            trust_env=not is_loopback(httpx2.URL(base_url).host),
            event_hooks={"response": [cap_reply]},
        )
        self._sdk = AsyncOpenAI(
            base_url=base_url,
            api_key=key or "none",  # never None: the SDK would send the user's OPENAI_API_KEY to any server
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            http_client=http_client,
            default_headers={"Accept-Encoding": "identity"},
        )
        self._sdk.organization = self._sdk.project = None
        self._metrics_url = metrics_url(base_url)
        self._key = key

    async def post_chat(self, content: bytes) -> RawReply:
        """See `ChatClient.post_chat`."""
        return await self._read(
            self._sdk.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=content,
                options={"headers": {"Content-Type": "application/json"}},
            )
        )

    async def get_models(self) -> RawReply:
        """See `ChatClient.get_models`."""
        return await self._read(self._sdk.get("/models", cast_to=httpx2.Response))

    async def get_metrics(self) -> RawReply:
        """See `ChatClient.get_metrics`."""
        return await self._read(self._sdk.get(self._metrics_url, cast_to=httpx2.Response))

    async def aclose(self) -> None:
        """See `ChatClient.aclose`."""
        await self._sdk.close()

    async def _read(self, sending: Awaitable[httpx2.Response]) -> RawReply:
        """Await an SDK call; any status is an answer."""
        try:
            response = await sending
        except APIStatusError as exc:
            response = exc.response
        except (APIConnectionError, aiohttp.ClientError, ValueError) as exc:
            raise error_of_connection(exc, self._key) from None
        return RawReply(response.status_code, dict(response.headers), response.content)
