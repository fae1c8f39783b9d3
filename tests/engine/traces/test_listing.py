from io import StringIO

import pytest
from rich.console import Console

from routenator.engine.display import has_unsafe_characters
from routenator.engine.traces.listing import format_samples

ROW = {
    "trace_id": "499.12",
    "verdict": "rejected",
    "route": "heuristic",
    "function": "generate",
    "category": "illustration",
    "attempts": 12,
    "error_class": "keyword_position",
    "query": "an illustration of a lighthouse on a rocky coast with seagulls, in watercolor, for a calendar",
}
ACCEPTED = ROW | {"trace_id": "7.0", "verdict": "accepted", "error_class": None, "query": "cat icons", "attempts": 1}


def listed(rows, width):
    console = Console(file=StringIO(), width=width, force_terminal=False)
    console.print(format_samples(rows, width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_at_80_columns_the_facts_have_one_line_and_the_query_the_width_below():
    head, facts, *query = listed([ROW, ACCEPTED], 80)[:4]
    assert head == "trace   verdict   route      function  category      tries  ended by"
    assert facts == "499.12  rejected  heuristic  generate  illustration     12  keyword_position"
    assert " ".join(line.strip() for line in query) == ROW["query"]
    assert all(line.startswith("        ") and len(line) <= 80 for line in query)


def test_with_more_width_a_sample_has_one_line():
    head, facts = listed([ACCEPTED], 120)
    assert head.endswith("query") and facts.endswith("cat icons")
    assert facts.split() == ["7.0", "accepted", "heuristic", "generate", "illustration", "1", "cat", "icons"]


def test_a_sample_without_a_query_has_no_empty_line():
    assert len(listed([ROW | {"query": None}, ROW | {"query": None}], 80)) == 3


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_that_a_model_or_a_pack_wrote_drives_the_terminal(width):
    evil = "\x1b]52;c;aGk=\x07 [red]x[/red]\u202e" * 3
    row = ROW | dict.fromkeys(("route", "function", "category", "error_class", "query"), evil)
    lines = listed([row], width)
    assert not has_unsafe_characters("".join(lines))
    assert "[red]x[/red]" in "".join(lines)
    assert max(map(len, lines)) <= width
    assert any(line.startswith("499.12  rejected  ") for line in lines)
