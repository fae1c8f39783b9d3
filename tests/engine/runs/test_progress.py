import pytest

from routenator.engine.runs.progress import RateMeter


def measure(**rows):
    """A meter that has seen ``rows`` more of each route, and the seconds between."""
    meter = RateMeter()
    meter.see({})
    while meter.rate_s() == 0:
        meter.see(rows)
    return meter, sum(rows.values()) / meter.rate_s()


def test_nothing_is_said_of_a_rate_before_two_looks():
    meter = RateMeter()
    assert meter.rate_s() == 0
    assert meter.eta_s({"text": 10}) is None
    meter.see({"text": 5})
    assert meter.eta_s({"text": 10}) is None


def test_the_rate_is_rows_over_the_time_between_the_looks():
    meter, seconds = measure(text=100)
    assert meter.eta_s({"text": 0}) == 0
    assert meter.eta_s({"text": 50}) == pytest.approx(seconds / 2)


def test_the_slowest_route_decides_when_all_is_done():
    meter, seconds = measure(heuristic=90, text=10)
    assert meter.eta_s({"heuristic": 90, "text": 10}) == pytest.approx(seconds)
    assert meter.eta_s({"heuristic": 0, "text": 40}) == pytest.approx(4 * seconds)
    assert meter.eta_s({"heuristic": 90, "text": 40}) == pytest.approx(4 * seconds)
    assert meter.eta_s({"vision": 200}) == pytest.approx(2 * seconds), "it has not begun: as fast as all together"


def test_nothing_is_left_to_wait_for_when_every_route_has_its_rows():
    meter = RateMeter()
    meter.see({"text": 5})
    assert meter.eta_s({"text": 0, "vision": -1}) == 0
    assert meter.eta_s({"text": 1}) is None


def test_a_route_that_is_slower_than_the_window_keeps_its_rate(monkeypatch):
    meter, now_s = RateMeter(), 0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    etas = []
    for now_s in range(0, 901, 10):
        meter.see({"heuristic": 2 * now_s, "text": now_s // 90})
        if now_s > 90:
            etas.append(meter.eta_s({"heuristic": 10, "text": 10}))
    assert min(etas) > 850, "ten rows of 90 s each"
    assert max(etas) < 2000


def test_rows_that_are_taken_back_do_not_make_a_negative_rate():
    meter = RateMeter()
    meter.see({"text": 100})
    meter.see({"text": 90})
    assert meter.rate_s() == 0
