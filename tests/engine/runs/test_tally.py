from collections import Counter

from factories import make_record

from routenator.engine.runs.tally import Tally


def test_duplicates_move_from_delivered_to_rejected():
    tally = Tally(10, {"text": 10}, Counter(text=6))
    record = make_record(0, verdict="accepted")
    tally.add(record)
    assert tally.accepted == 7
    tally.take_back({"text": 2})
    assert (tally.accepted, tally.rejected["text"]) == (5, 2)


def test_an_event_says_how_every_route_stands():
    tally = Tally(10, {"text": 6, "vision": 4}, Counter(text=6))
    event = tally.to_event()
    assert event["routes"] == {"text": {"target": 6, "delivered": 6}, "vision": {"target": 4, "delivered": 0}}
    assert (event["planned"], event["accepted"], event["eta_s"]) == (10, 6, None)


def test_nothing_delivered_yet_has_no_eta():
    assert Tally(3, {}).eta_s() is None


def test_eta_follows_the_rate():
    tally = Tally(3, {})
    tally.add(make_record(0, verdict="accepted"))
    assert tally.rate_s() > 0
    assert tally.eta_s() * tally.rate_s() > 0
