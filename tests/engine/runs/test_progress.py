from routenator.engine.runs.progress import RateMeter


def test_nothing_is_said_of_a_rate_before_two_looks():
    meter = RateMeter()
    assert meter.rate_s() == 0
    assert meter.eta_s(10) is None
    meter.see(5)
    assert meter.eta_s(10) is None


def test_the_rate_is_rows_over_the_time_between_the_looks():
    meter = RateMeter()
    meter.see(0)
    while meter.rate_s() == 0:
        meter.see(100)
    assert meter.eta_s(0) == 0
    assert meter.eta_s(50) > 0
    assert abs(meter.eta_s(100) - 100 / meter.rate_s()) < 1e-9


def test_rows_that_are_taken_back_do_not_make_a_negative_rate():
    meter = RateMeter()
    meter.see(100)
    meter.see(90)
    assert meter.rate_s() == 0
