import io
import json

import pytest
from fakes.run_states import make_replica, make_state, make_worker
from rich.console import Console

from routenator.engine.cli.live import to_event
from routenator.engine.cli.run_view import describe, render
from routenator.engine.cli.wording import format_eta, format_latency, format_rate


def shown(state, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(render(state))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("eta_s", "words"),
    [
        (None, "unknown"),
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (123, "2 min 03 s"),
        (3_723, "1 h 02 min"),
        (277_200, "3 d 05 h"),
    ],
)
def test_eta_is_said_in_words(eta_s, words):
    assert format_eta(eta_s) == words


def test_rates_and_latencies_have_a_unit_that_can_be_read():
    assert [format_rate(rate) for rate in (0, 0.05, 12.34, 1234.5)] == [
        "0.0 rows/s", "3.0 rows/min", "12.3 rows/s", "1,234.5 rows/s",
    ]  # fmt: skip
    assert [format_latency(ms) for ms in (None, 209.6, 12_345)] == ["–", "210 ms", "12.3 s"]


def test_the_line_holds_every_count():
    assert describe(make_state()) == (
        "generate: 1,190/1,500 rows, 30 rejected, 4 failed, 8 in flight, 12.3 rows/s, ETA 2 min 05 s "
        "(text 990/1000, vision 200/500)"
    )


def test_the_table_has_a_line_for_each_route_and_each_replica():
    lines = [line.split() for line in shown(make_state()).splitlines()]
    assert ["vision", "200", "500", "0", "4"] in lines
    assert ["gpu", "10.0.0.1:8000", "up", "6/16/32", "210", "ms", "4", "0"] in lines


def test_paused_a_full_disk_and_an_endpoint_in_trouble_are_said_in_words():
    trouble = make_replica(0, condition="paused", trouble="503: over\x1b[2Jloaded", limited_by="overload")
    workers = (make_worker(0, (trouble,), stuck="no room on the disk of run: waiting"), make_worker(1))
    for said in (describe(make_state(workers)), shown(make_state(workers))):
        assert "no room on the disk of run: waiting" in said
        assert "gpu 10.0.0.0:8000: 503: over\\x1b[2Jloaded" in said
    for said in (describe(make_state(paused=True)), shown(make_state(paused=True))):
        assert "paused: begins nothing until `routenator resume`" in said


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_its_height_and_width_whatever_happens(width):
    quiet = tuple(make_replica(number) for number in range(30))
    hurt = tuple(
        make_replica(
            number, condition="paused", trouble="503 " * 90, limited_by="overload", queued=4321, latency_ms=54321.0
        )
        for number in range(30)
    )
    states = [make_state((make_worker(0, replicas),), paused=replicas is hurt) for replicas in (quiet, hurt)]
    shapes = [shown(state, width).splitlines() for state in states]
    assert len(shapes[0]) == len(shapes[1])
    assert all(len(line) <= width for shape in shapes for line in shape)


def test_of_many_replicas_the_worst_are_shown_in_their_own_order_and_the_rest_counted():
    replicas = tuple(make_replica(number, condition="paused" if number in (13, 21) else "up") for number in range(30))
    lines = shown(make_state((make_worker(0, replicas),))).splitlines()
    named = [line.split()[1] for line in lines if line.startswith("gpu 10")]
    assert named == [f"10.0.0.{number}:8000" for number in (0, 1, 2, 3, 4, 5, 13, 21)]
    assert any(line.startswith("and 22 more; of all 30, 2 are paused") for line in lines)


def test_an_event_carries_what_the_table_shows():
    event = json.loads(json.dumps(to_event(make_state())))
    assert event["event"] == "progress"
    assert (event["accepted"], event["in_flight"], event["rate_s"], event["eta_s"]) == (1190, 8, 12.34, 125.0)
    assert event["endpoints"][0]["replicas"][0]["limit"] == 16
    assert len(event["workers"]) == 2
