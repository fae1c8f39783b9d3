"""Every endpoint of a run, by role."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from routenator.engine.config import EndpointsFile, Role
from routenator.engine.errors import EndpointError
from routenator.engine.llm.chat import ChatReply, ChatRequest
from routenator.engine.llm.endpoint_client import EndpointClient
from routenator.engine.llm.keys import read_keys
from routenator.engine.llm.states import EndpointState


class LlmPool:
    """Sends chat requests to the endpoint that plays a role.

    Clients belong to the event loop that made them: a pool may be used from one loop after another, or from several.

    Args:
        endpoints: The endpoints file.
        base_urls: Endpoint name → base URLs, for embedded endpoints, which are started elsewhere.
        workers: Processes that ask the same endpoints; each gets its share of ``max_in_flight``, and at least 1.

    Raises:
        ConfigError: A key's environment variable is not set.
    """

    def __init__(
        self, endpoints: EndpointsFile, base_urls: Mapping[str, tuple[str, ...]] | None = None, workers: int = 1
    ) -> None:
        self.endpoints = endpoints
        self._workers = workers
        self._base_urls = dict(base_urls or {})
        used = {name: endpoints.endpoints[name] for name in endpoints.roles.values() if name is not None}
        self._keys = read_keys(used)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, EndpointClient]] = WeakKeyDictionary()

    async def complete(self, role: Role, request: ChatRequest) -> ChatReply:
        """Get one finished completion from the endpoint of ``role``; see `EndpointClient.complete`."""
        return await self.client_of(role).complete(request)

    def client_of(self, role: Role) -> EndpointClient:
        """The client of the endpoint that plays ``role``, on the running event loop.

        Raises:
            EndpointError: No endpoint plays the role, or its embedded server was not started.
        """
        found = self.endpoints.endpoint_of(role)
        if found is None:
            raise EndpointError(f"no endpoint plays the role {role}", hint=f"Name one under roles: {role}.")
        name, endpoint = found
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        if name not in clients:
            urls = self._base_urls.get(name, endpoint.base_url)
            if not urls:
                raise EndpointError(f"the embedded endpoint {name} was not started")
            share = -(-endpoint.max_in_flight // self._workers)
            endpoint = endpoint.model_copy(update={"max_in_flight": share})
            clients[name] = EndpointClient(name, endpoint, urls, self._keys[name])
        return clients[name]

    def trouble(self, role: Role) -> EndpointError | None:
        """Why the endpoint of ``role`` cannot be asked now; ``None`` while any of its replicas is up."""
        return self.client_of(role).balancer.trouble

    def states(self) -> tuple[EndpointState, ...]:
        """How each endpoint is doing that was asked for anything on the running event loop."""
        clients = self._clients.get(asyncio.get_running_loop(), {})
        return tuple(client.state() for client in clients.values())

    async def aclose(self) -> None:
        """Close the running event loop's connections."""
        clients = self._clients.pop(asyncio.get_running_loop(), {})
        await asyncio.gather(*(client.aclose() for client in clients.values()))
