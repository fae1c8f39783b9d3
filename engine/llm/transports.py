"""Which client carries an endpoint's requests."""

from __future__ import annotations

from routenator.engine.config import Endpoint
from routenator.engine.llm.chat_client import ChatClient


def make_chat_client(base_url: str, endpoint: Endpoint, key: str | None) -> ChatClient:
    """Build the client of one replica, for the running event loop, as ``transport`` of the endpoint says.

    Args:
        base_url: Of the replica, ending in ``/v1``.
        endpoint: Its settings.
        key: Sent as a bearer token; ``None``: the server needs none.
    """
    if endpoint.transport == "aiohttp":
        from routenator.engine.llm.aiohttp_client import AiohttpClient

        return AiohttpClient(base_url, endpoint, key)
    from routenator.engine.llm.openai_client import OpenAiClient  # the SDK takes half a second to import

    return OpenAiClient(base_url, endpoint, key)
