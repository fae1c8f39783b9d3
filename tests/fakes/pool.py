"""Pools for tests: one endpoint called ``writer`` that plays ``text``, and plain requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from routenator.engine.config import Endpoint, EndpointsFile
from routenator.engine.llm.chat import ChatRequest
from routenator.engine.llm.pool import LlmPool


def ask(text: str = "hello", **settings: Any) -> ChatRequest:
    """A request with one user message."""
    return ChatRequest(messages=({"role": "user", "content": text},), **settings)


def make_pool(*urls: str, workers: int = 1, **settings: Any) -> LlmPool:
    """A pool with little patience; ``settings`` are the endpoint's."""
    endpoint = Endpoint(base_url=urls, **{"timeout_s": 5.0, "max_retries": 2, "model": "fake", **settings})
    return LlmPool(EndpointsFile(endpoints={"writer": endpoint}, roles={"text": "writer"}), workers=workers)


@asynccontextmanager
async def open_pool(*urls: str, **settings: Any) -> AsyncIterator[LlmPool]:
    """`make_pool`, closed at the end."""
    pool = make_pool(*urls, **settings)
    try:
        yield pool
    finally:
        await pool.aclose()
