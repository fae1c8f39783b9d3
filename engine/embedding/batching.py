"""Sentence vectors for many samples in flight: what waits at one moment is computed together, beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from routenator.engine.embedding.transformer import Floats

MAX_TEXTS = 64
"""Texts of one batch, a fifth of a second's work: more save nothing, and hold up those that come first."""


class BatchEncoder:
    """Gathers the texts of all who ask while a batch is computed into the next one, first come, first served.

    A text alone costs twice as much as one among eight. One batch at a time, in one thread: it is the samples that are
    many, and two threads would share the caches of the one core that each needs. Belongs to one event loop.

    Args:
        encode: Texts → unit vectors, float32, (texts, width). Called in a thread.
    """

    def __init__(self, encode: Callable[[list[str]], Floats]) -> None:
        self._encode = encode
        self._waiting: deque[tuple[Sequence[str], asyncio.Future[Floats]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def encode(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of ``texts``: float32, (len(texts), width)."""
        loop = asyncio.get_running_loop()
        wanted: asyncio.Future[Floats] = loop.create_future()
        self._waiting.append((texts, wanted))
        if self._work is None or self._work.done():
            self._work = loop.create_task(self._serve())
        return await wanted

    async def _serve(self) -> None:
        while batch := self._next_batch():
            try:
                vectors = await asyncio.to_thread(self._encode, [text for texts, _ in batch for text in texts])
            except Exception as exc:
                for _, wanted in batch:
                    if not wanted.done():
                        wanted.set_exception(exc)
                continue
            ends = np.cumsum([len(texts) for texts, _ in batch])
            for (_, wanted), found in zip(batch, np.split(vectors, ends[:-1]), strict=True):
                if not wanted.done():  # its sample was cancelled
                    wanted.set_result(found)

    def _next_batch(self) -> list[tuple[Sequence[str], asyncio.Future[Floats]]]:
        batch: list[tuple[Sequence[str], asyncio.Future[Floats]]] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0][0]) <= MAX_TEXTS):
            texts, wanted = self._waiting.popleft()
            if not wanted.done():
                batch.append((texts, wanted))
                count += len(texts)
        return batch
