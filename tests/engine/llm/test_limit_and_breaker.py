from hypothesis import given
from hypothesis import strategies as st

from routenator.engine.llm.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_S, LONGEST_PAUSE_S, CircuitBreaker
from routenator.engine.llm.limit import AimdLimit


def test_limit_is_halved_once_a_burst_and_grows_by_one_a_window():
    limit = AimdLimit(64)
    for _ in range(64):
        limit.cut(sent_at=1.0, now=2.0)
    assert limit.limit == 32
    limit.cut(sent_at=2.5, now=3.0)
    assert limit.limit == 16
    for _ in range(17):
        limit.grow()
    assert limit.limit == 17


@given(st.integers(1, 500), st.lists(st.booleans(), max_size=300))
def test_limit_stays_between_one_and_its_ceiling(ceiling, answers):
    limit = AimdLimit(ceiling)
    for now, grew in enumerate(answers):
        if grew:
            limit.grow()
        else:
            limit.cut(now, now + 0.5)
        assert 1 <= limit.limit <= ceiling


def opened(now=10.0):
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.on_failure(sent_at=now - 1, now=now)
    return breaker


def test_breaker_opens_after_consecutive_failures_only():
    breaker = CircuitBreaker()
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.on_failure(0.0, 1.0)
        breaker.on_success()
    assert not breaker.is_open
    assert opened().is_open


def test_breaker_sends_one_canary_and_closes_when_it_lives():
    breaker = opened(10.0)
    assert breaker.ready_at(10.0) == 10.0 + FIRST_PAUSE_S
    breaker.on_send(11.5)
    assert breaker.ready_at(11.6) == float("inf")
    breaker.on_success()
    assert breaker.ready_at(12.0) == 12.0


def test_pause_doubles_with_each_dead_canary_up_to_its_bound():
    breaker, now, pauses = opened(0.0), 0.0, []
    for _ in range(8):
        pauses.append(breaker.ready_at(now) - now)
        now += pauses[-1]
        breaker.on_send(now)
        breaker.on_failure(now, now)
    assert pauses == [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(8)]


def test_failures_of_requests_sent_before_the_canary_change_nothing():
    breaker = opened(10.0)
    for _ in range(50):
        breaker.on_failure(sent_at=9.0, now=10.2)
    assert breaker.ready_at(10.2) == 10.0 + FIRST_PAUSE_S
    breaker.on_send(11.0)
    breaker.on_failure(sent_at=9.0, now=11.1)
    assert breaker.ready_at(11.1) == float("inf")


def test_cancelled_canary_lets_another_go():
    breaker = opened(10.0)
    breaker.on_send(11.5)
    breaker.on_abandoned(sent_at=9.0)
    assert breaker.ready_at(11.6) == float("inf")
    breaker.on_abandoned(sent_at=11.5)
    assert breaker.ready_at(11.6) <= 11.6
