import asyncio
import threading

import numpy as np
import pytest

from routenator.engine.embedding.batching import MAX_TEXTS, BatchEncoder


class Numbers:
    """The vector of a text is its number. The first batch waits until `go`."""

    def __init__(self):
        self.batches = []
        self.began = threading.Event()
        self.go = threading.Event()

    def encode(self, texts):
        self.batches.append(texts)
        self.began.set()
        assert self.go.wait(10)
        if "bad" in texts:
            raise ValueError("no such text")
        return np.array([[float(text)] for text in texts], np.float32)


async def begin(numbers):
    """An encoder that is busy with its first batch, and the request that it computes."""
    encoder = BatchEncoder(numbers.encode)
    first = asyncio.create_task(encoder.encode(["0"]))
    assert await asyncio.to_thread(numbers.began.wait, 10)
    return encoder, first


async def test_what_waits_is_computed_together_and_each_gets_its_own():
    numbers = Numbers()
    encoder, first = await begin(numbers)
    others = [asyncio.create_task(encoder.encode([str(n), str(n + 100)])) for n in range(1, 11)]
    await asyncio.sleep(0)
    numbers.go.set()
    assert (await first).tolist() == [[0]]
    assert [(await other).tolist() for other in others] == [[[n], [n + 100]] for n in range(1, 11)]
    assert [len(batch) for batch in numbers.batches] == [1, 20]


async def test_a_batch_has_a_bound_and_the_first_come_first():
    numbers = Numbers()
    encoder, first = await begin(numbers)
    others = [asyncio.create_task(encoder.encode([str(n)])) for n in range(MAX_TEXTS + 6)]
    await asyncio.sleep(0)
    numbers.go.set()
    await asyncio.gather(first, *others)
    assert [len(batch) for batch in numbers.batches] == [1, MAX_TEXTS, 6]
    assert numbers.batches[1][0] == "0"


async def test_who_asks_for_more_than_a_batch_gets_it_and_later_requests_are_served():
    numbers = Numbers()
    numbers.go.set()
    encoder = BatchEncoder(numbers.encode)
    assert len(await encoder.encode([str(n) for n in range(2 * MAX_TEXTS)])) == 2 * MAX_TEXTS
    assert (await encoder.encode(["7"])).tolist() == [[7]]


async def test_a_cancelled_sample_is_left_out_and_the_others_are_served():
    numbers = Numbers()
    encoder, first = await begin(numbers)
    leaves, stays = (asyncio.create_task(encoder.encode([text])) for text in ("1", "2"))
    await asyncio.sleep(0)
    leaves.cancel()
    first.cancel()
    await asyncio.sleep(0)
    numbers.go.set()
    assert (await stays).tolist() == [[2]]
    assert numbers.batches == [["0"], ["2"]]


async def test_a_fault_reaches_those_of_its_batch_and_ends_there():
    numbers = Numbers()
    encoder, first = await begin(numbers)
    spoilt = [asyncio.create_task(encoder.encode([text])) for text in ("bad", "1")]
    await asyncio.sleep(0)
    numbers.go.set()
    await first
    for request in spoilt:
        with pytest.raises(ValueError, match="no such text"):
            await request
    assert (await encoder.encode(["3"])).tolist() == [[3]]
