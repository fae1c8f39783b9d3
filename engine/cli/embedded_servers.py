"""Embedded servers for as long as a command needs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager

from routenator.engine.cli.console import say
from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.errors import RunError
from routenator.engine.llm.embedded import EmbeddedLease, acquire_embedded, default_replicas
from routenator.engine.llm.embedded_models import prepare_model

REVIVE_S = 2.0
"""Seconds between two looks whether a server has died."""

BaseUrls = dict[str, tuple[str, ...]]
"""Embedded endpoint → the base URLs of its servers."""


@asynccontextmanager
async def hold_embedded(endpoints: EndpointsFile) -> AsyncIterator[BaseUrls]:
    """Embedded servers, started or joined, for as long as the block lasts; one that dies is started again."""
    with ExitStack() as stack:
        base_urls: BaseUrls = {}
        leases: list[EmbeddedLease] = []
        for name in sorted({name for name in endpoints.roles.values() if name is not None}):
            endpoint = endpoints.endpoints[name]
            if endpoint.kind == "embedded":
                found = await asyncio.to_thread(_start_replicas, endpoint, stack)
                base_urls[name] = tuple(lease.base_url for lease in found)
                leases += found
        revival = asyncio.create_task(_revive(leases))
        try:
            yield base_urls
        finally:
            revival.cancel()


async def _revive(leases: Sequence[EmbeddedLease]) -> None:
    """Start servers again that have died, as one that the kernel ended for want of memory; nobody else would."""
    while leases:
        await asyncio.sleep(REVIVE_S)
        for lease in leases:
            if not lease.has_ended():
                continue
            say(f"The embedded server of {lease.model} has died: it is started again.", style="yellow")
            known = lease.base_url
            try:
                # On its old port, unless somebody took that.
                if await asyncio.to_thread(lease.ensure_running) != known:
                    say("It had to take another port, which this command does not know: stop it and give it again.")
            except RunError as exc:
                say(exc.what, style="yellow")


def _start_replicas(endpoint: Endpoint, stack: ExitStack) -> list[EmbeddedLease]:
    """The machine's embedded servers for ``endpoint``, held until ``stack`` ends."""

    def start(replica: int) -> EmbeddedLease:
        return acquire_embedded(endpoint.model, endpoint.max_in_flight, replica=replica)

    # Once, before the threads: each would write the prepared file.
    prepare_model(endpoint.model)
    with ThreadPoolExecutor() as pool:
        return [stack.enter_context(lease) for lease in pool.map(start, range(default_replicas()))]
