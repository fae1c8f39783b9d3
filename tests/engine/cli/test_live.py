import io

import pytest
from rich.console import Console

from routenator.engine.cli.live import describe, format_eta, render
from routenator.engine.runs.tally import Tally


@pytest.fixture
def tally():
    tally = Tally(planned=1500, targets={"text": 1000, "vision": 500})
    tally.delivered.update(text=990, vision=200)
    tally.rejected["text"] = 30
    tally.failed["vision"] = 4
    tally.in_flight = 7
    return tally


@pytest.mark.parametrize(
    ("eta_s", "words"), [(None, "unknown"), (0.4, "0:00"), (59.6, "1:00"), (123, "2:03"), (3_723, "1:02:03")]
)
def test_eta_reads_like_a_clock(eta_s, words):
    assert format_eta(eta_s) == words


def test_the_line_holds_every_count(tally):
    line = describe(tally)
    assert line.startswith("generate: 1,190/1,500 rows, 30 rejected, 4 failed, 7 in flight, ")
    assert line.endswith("(text 990/1000, vision 200/500)")


def test_the_table_has_a_line_for_each_route(tally):
    console = Console(file=io.StringIO(), width=100)
    console.print(render(tally))
    shown = console.file.getvalue()
    assert "1,190/1,500 rows" in shown
    vision = next(line for line in shown.splitlines() if line.strip().startswith("vision"))
    assert vision.split() == ["vision", "200", "500", "0", "4"]
