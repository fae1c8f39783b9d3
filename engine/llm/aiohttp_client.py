"""The transport ``aiohttp``: the wire protocol without the SDK, for a fraction of its CPU."""

from __future__ import annotations

import aiohttp
from yarl import URL

from routenator.engine.config import Endpoint
from routenator.engine.llm.chat_client import RawReply
from routenator.engine.llm.connection import (
    CONNECT_TIMEOUT_S,
    KEEPALIVE_S,
    ReplyTooLargeError,
    error_of_connection,
    metrics_url,
    most_connections,
    proxy_of,
    refuse_compressed,
    tls_context,
)


class AiohttpClient:
    """A `ChatClient` by aiohttp alone. Made on a running event loop.

    Nothing is taken from the environment but proxies, once, and those never for a loopback address: aiohttp's own
    ``trust_env`` would ask in a thread for each request, and would send what ``.netrc`` holds. Redirects are not
    followed, so that a key goes nowhere else. Cookies are not kept.
    """

    def __init__(self, base_url: str, endpoint: Endpoint, key: str | None) -> None:
        chat_url = URL(f"{base_url}/chat/completions")
        self._chat_url = chat_url
        self._models_url = URL(f"{base_url}/models")
        self._metrics_url = URL(metrics_url(base_url))
        self._cap_bytes = endpoint.max_reply_bytes
        self._key = key
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=most_connections(endpoint),
                keepalive_timeout=KEEPALIVE_S,
                ssl=tls_context() if chat_url.scheme == "https" else True,
            ),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
            proxy=proxy_of(chat_url.scheme, chat_url.host or ""),
        )

    async def post_chat(self, content: bytes) -> RawReply:
        """See `ChatClient.post_chat`."""
        return await self._ask("POST", self._chat_url, content)

    async def get_models(self) -> RawReply:
        """See `ChatClient.get_models`."""
        return await self._ask("GET", self._models_url)

    async def get_metrics(self) -> RawReply:
        """See `ChatClient.get_metrics`."""
        return await self._ask("GET", self._metrics_url)

    async def aclose(self) -> None:
        """See `ChatClient.aclose`."""
        await self._session.close()

    async def _ask(self, method: str, url: URL, content: bytes | None = None) -> RawReply:
        try:
            async with self._session.request(method, url, data=content, allow_redirects=False) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                refuse_compressed(headers)
                return RawReply(response.status, headers, await self._read(response))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise error_of_connection(exc, self._key) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body. Leaving its rest unread closes the connection."""
        size = response.content_length
        if size is not None and size <= self._cap_bytes:
            return await response.read()
        parts: list[bytes] = []
        left = self._cap_bytes
        async for part in response.content.iter_any():
            left -= len(part)
            if left < 0:
                raise ReplyTooLargeError(self._cap_bytes)
            parts.append(part)
        return b"".join(parts)
