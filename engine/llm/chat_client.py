"""What carries a request to one replica: the same wire protocol, whichever library speaks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RawReply:
    """One HTTP response as it came.

    Attributes:
        headers: Names in lower case.
        content: The whole body, at most ``max_reply_bytes`` of the endpoint.
    """

    status: int
    headers: dict[str, str]
    content: bytes


class ChatClient(Protocol):
    """One replica's connections. Belongs to one event loop.

    An HTTP status is an answer, never an exception. No retries, no redirects, no deadline: those are the caller's.

    Every method raises ``DisconnectedError`` when the connection was closed before any answer came,
    ``ReplyTooLargeError`` when the body is over the cap, and another ``EndpointError`` for whatever else breaks.
    """

    async def post_chat(self, content: bytes) -> RawReply:
        """POST a JSON body to ``/chat/completions``."""
        ...

    async def get_models(self) -> RawReply:
        """GET ``/models``."""
        ...

    async def get_metrics(self) -> RawReply:
        """GET ``/metrics`` at the root of the server: the Prometheus text of vLLM."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
