"""What every transport does alike: limits of a connection, TLS, proxies, and the names of broken connections."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cache
from urllib.request import getproxies, proxy_bypass

import aiohttp

from routenator.engine.config import Endpoint
from routenator.engine.errors import EndpointError
from routenator.engine.llm.keys import scrub

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 3.0
"""Shorter than the 5 s after which uvicorn (vLLM) and llama.cpp close an idle connection: we close first, no race."""


class DisconnectedError(EndpointError):
    """The connection was gone before any answer came, as when a server closes an idle one while we send."""


class ReplyTooLargeError(EndpointError):
    """The body is beyond ``max_reply_bytes``; reading stopped there."""

    def __init__(self, cap_bytes: int) -> None:
        super().__init__(f"the reply is larger than {cap_bytes} bytes and was cut off")


@cache
def tls_context() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes 50 ms."""
    import httpx2  # the same trust store for every transport; takes 0.1 s, which plain HTTP need not pay

    return httpx2.create_ssl_context()


def most_connections(endpoint: Endpoint) -> int:
    """Connections to one replica: one for each request in flight, and one for ``/metrics``, asked when all are out."""
    return endpoint.max_in_flight + 1


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by its name alone."""
    return host == "localhost" or host.startswith("127.") or host == "::1"


def proxy_of(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a server (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``), if any.

    Never one for a loopback address.
    """
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def metrics_url(base_url: str) -> str:
    """``/metrics`` at the root of the server, of which ``base_url`` is the part below ``/v1``."""
    return f"{base_url.removesuffix('/v1')}/metrics"


def refuse_compressed(headers: Mapping[str, str]) -> None:
    """Raise `EndpointError` for a compressed body: its true size would slip past the cap. We ask for identity."""
    if headers.get("content-encoding", "identity") != "identity":
        raise EndpointError("the server compresses its replies although it was asked not to")


def error_of_connection(exc: BaseException, key: str | None) -> EndpointError:
    """The error that a broken connection or a request that could not be sent stands for, without the key.

    aiohttp's class is looked for among the causes: the SDK and its transport hide it behind classes that say less.
    """
    cause: BaseException = exc
    while not isinstance(cause, aiohttp.ClientError | OSError | EndpointError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, EndpointError):
        return cause
    said = scrub(f"{type(cause).__name__}: {cause}", key)
    match cause:
        case aiohttp.ServerTimeoutError():  # the only time-out that we give to aiohttp
            return EndpointError(f"no connection within {CONNECT_TIMEOUT_S:g} s", retryable=True)
        case aiohttp.ClientSSLError():
            return EndpointError(f"no connection: {said}", retryable=True)
        case aiohttp.ClientConnectorError():
            number = cause.errno  # asyncio hides the reason behind "Connect call failed"
            reason = os.strerror(number) if number and number > 0 else said
            return EndpointError(f"no connection: {reason}", retryable=True)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientConnectionResetError():
            return DisconnectedError(f"the connection was closed before an answer: {said}", retryable=True)
        case ValueError():  # aiohttp.InvalidURL is one, too
            return EndpointError(f"the request could not be sent: {said}")
        case _:
            return EndpointError(f"the connection broke: {said}", retryable=True)
