"""In which order slots are run. Any order gives the same plan; this one lets servers reuse what they have read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from routenator.engine.sample import SampleKey

BLOCK_SLOTS = 4096
"""Slots that are put in order together: many enough to find company, few enough to begin at once."""

PrefixOf = Callable[[SampleKey], str | None]
"""Names the beginning of a sample's prompt; ``None``: it asks no model."""


def group_prefixes(keys: Iterator[SampleKey], prefix_of: PrefixOf) -> Iterator[SampleKey]:
    """``keys``, with those whose prompts begin alike one after another.

    Servers keep the computed beginnings of recent prompts (vLLM's prefix cache, llama.cpp's slots): on the embedded
    model a request whose beginning is known costs a third of the CPU. Within a block, samples that ask a model change
    places among themselves only; those that ask none stay where they were, so that both kinds of work go on together.
    """
    while block := list(itertools.islice(keys, BLOCK_SLOTS)):
        prefixes = [prefix_of(key) for key in block]
        places = [place for place, prefix in enumerate(prefixes) if prefix is not None]
        alike = sorted(places, key=lambda place: (prefixes[place], place))
        order = dict(zip(places, alike, strict=True))
        for place in range(len(block)):
            yield block[order.get(place, place)]
