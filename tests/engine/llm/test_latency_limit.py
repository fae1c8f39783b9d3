"""The latency limit against simulated servers: one with a queue, one that computes batches as a GPU does."""

import heapq
import math
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenator.engine.llm.latency_limit import LatencyLimit

ANSWERS = 12_000


def simulate(capacity, ceiling, seed, batched=False, demand=None):
    """Keep ``min(cap, demand)`` requests out at a server of ``capacity``; a service takes 1 s, give or take a half.

    ``batched``: a service takes up to four times as long as the batch grows to ``capacity``.

    Returns the mean cap and the throughput over the second half.
    """
    rng = random.Random(seed)
    limit = LatencyLimit(ceiling)
    sigma = math.sqrt(math.log(1.25))
    now, half_at, caps = 0.0, 0.0, []
    queue, running = deque(), []
    for answered in range(ANSWERS):
        while len(queue) + len(running) < min(limit.cap, demand or ceiling):
            queue.append(now)
        while queue and len(running) < capacity:
            service_s = rng.lognormvariate(-sigma * sigma / 2, sigma)
            service_s *= 1 + 3 * (len(running) + 1) / capacity if batched else 1
            heapq.heappush(running, (now + service_s, queue.popleft()))
        in_flight = len(queue) + len(running)
        now, sent_at = heapq.heappop(running)
        limit.on_answer(sent_at, now, in_flight)
        if answered == ANSWERS // 2:
            half_at = now
        elif answered > ANSWERS // 2:
            caps.append(limit.cap)
    return sum(caps) / len(caps), len(caps) / (now - half_at)


@pytest.mark.fault(11)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("capacity", "ceiling"), [(8, 64), (16, 256), (64, 256)])
def test_cap_comes_near_the_capacity_of_a_server_that_queues(capacity, ceiling, seed):
    cap, throughput = simulate(capacity, ceiling, seed)
    assert throughput > 0.9 * capacity, f"seed {seed}: {throughput:.1f} answers/s with a cap of {cap:.0f}"
    assert cap < 3.5 * capacity, f"seed {seed}: the cap stayed at {cap:.0f}"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("capacity", "ceiling"), [(64, 64), (256, 256), (128, 64), (512, 64)])
def test_gpu_whose_latency_grows_with_the_batch_is_not_strangled(capacity, ceiling, seed):
    batch = min(capacity, ceiling)
    best = batch / (1 + 3 * batch / capacity)
    cap, throughput = simulate(capacity, ceiling, seed, batched=True)
    assert throughput > 0.9 * best, f"seed {seed}: {throughput:.1f} of {best:.1f} answers/s with a cap of {cap:.0f}"


def test_server_that_is_not_filled_is_left_alone():
    cap, _ = simulate(capacity=4, ceiling=64, seed=1, demand=16)
    assert cap == 64


@settings(max_examples=50)
@given(st.integers(1, 200), st.integers(0, 2**32), st.floats(0.001, 100))
def test_cap_stays_between_one_and_its_ceiling_whatever_comes(ceiling, seed, scale_s):
    rng = random.Random(seed)
    limit, now = LatencyLimit(ceiling), 0.0
    for _ in range(2000):
        now += rng.expovariate(1.0) * scale_s * rng.choice((0, 1, 10))
        limit.on_answer(now - rng.expovariate(1.0) * scale_s, now, rng.randint(1, ceiling))
        assert 1 <= limit.cap <= ceiling
