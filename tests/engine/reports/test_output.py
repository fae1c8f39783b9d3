import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from routenator.engine.reports.distribution import PlannedTable, compare
from routenator.engine.reports.html import render_html
from routenator.engine.reports.summary import wrap_items
from routenator.engine.reports.terminal import print_report, print_summary
from routenator.engine.sample import ContentRef, Grounding, NodeRef

HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}\x1b[2K\x1b]52;c;aGk=\x07\u202e"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.names, self.attributes, self.open = set(), set(), []

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in ("meta", "br", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert not self.open or tag in ("rect",) or self.open.pop() == tag


def tags_of(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def printed(show, report, width=100):
    stream = io.StringIO()
    show(report, Console(file=stream, width=width, force_terminal=False))
    return stream.getvalue()


@pytest.fixture(scope="session")
def hostile(running):
    """The running report with hostile text wherever a model or a pack could have put it."""
    grounding = Grounding((NodeRef("n", HOSTILE, HOSTILE),), (), ContentRef("c", HOSTILE, (HOSTILE,), "image"))
    examples = tuple(
        replace(row, query=HOSTILE, arguments={HOSTILE: HOSTILE}, template=HOSTILE, grounding=grounding)
        for row in running.examples
    )
    cells = tuple(replace(cell, values=(HOSTILE,)) for cell in running.axes[0].cells)
    return replace(
        running,
        facts=replace(running.facts, run=HOSTILE, pack=HOSTILE, notices=(HOSTILE,)),
        axes=(replace(running.axes[0], cells=cells), *running.axes[1:]),
        deficits=(replace(running.deficits[0], values=(HOSTILE,) * 3, reasons=((HOSTILE, 1),)),),
        lengths=tuple(replace(entry, function=HOSTILE) for entry in running.lengths),
        routes=tuple(replace(funnel, name=HOSTILE, reasons=((HOSTILE, 2),)) for funnel in running.routes),
        templates=tuple(replace(funnel, name=HOSTILE) for funnel in running.templates),
        latencies=tuple(replace(latency, node=HOSTILE) for latency in running.latencies),
        models={HOSTILE: 3},
        examples=examples,
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("show", [print_report, print_summary])
@pytest.mark.parametrize("which", ["finished", "running", "hostile"])
def test_no_line_of_the_terminal_report_is_wider_than_the_terminal(show, which, width, request):
    text = printed(show, request.getfixturevalue(which), width)
    assert max(map(len, text.splitlines())) <= min(width, 100)


@pytest.mark.parametrize("which", ["finished", "running"])
def test_the_summary_has_at_most_twenty_lines_at_80_columns(which, request):
    lines = printed(print_summary, request.getfixturevalue(which), 80).splitlines()
    assert len(lines) <= 20
    labels = [line[:11].strip() for line in lines[1:] if line[:11].strip()]
    assert labels[:5] == ["rows", "gap in rows", "as planned", "accepted", "words"]


def test_the_summary_says_whether_the_target_is_met(finished, running):
    assert "All 300 rows delivered; every target is met to the row." in printed(print_summary, finished, 80)
    sentence = f"{running.delivered} of 300 rows delivered; {running.missing} are missing."
    assert sentence in printed(print_summary, running, 80)


def test_the_summary_gives_the_largest_gap_of_each_axis_and_two_reasons_for_each_route(running):
    text = " ".join(printed(print_summary, running, 80).split())
    for comparison in running.axes:
        gap = max(abs(cell.delivered - cell.planned) for cell in comparison.cells)
        assert f"{comparison.axes[0].replace('_', ' ')} {gap}" in text
    for funnel in running.routes:
        assert f"{funnel.name}: {100 * funnel.acceptance:.1f} % of {funnel.samples} samples; length" in text


def test_an_axis_with_one_value_is_not_tested_for_its_fit(finished):
    comparison = compare(PlannedTable(("language",), {("en",): 1.0}, {("en",): 300}), {("en",): 300})
    one = replace(finished, axes=(comparison, *finished.axes))
    for show in (print_summary, print_report):
        assert printed(show, one, 80) == printed(show, finished, 80)
    assert "one value only, nothing to compare" in render_html(one)
    assert "on 0 df" not in render_html(one)


def test_items_are_broken_between_and_not_within():
    assert wrap_items(["one two", "three four", "five"], 20) == ["one two, three four,", "five"]
    assert wrap_items(["longer than the line", "b"], 10) == ["longer than the line,", "b"]


def test_the_terminal_report_names_deficits_and_the_judges_vote(running):
    text = " ".join(printed(print_report, running).split())
    assert "function search, category icon, length 4-6" in text
    assert "balanced accuracy 0.61" in text


def test_hostile_text_is_shown_and_not_obeyed_by_the_terminal(hostile):
    text = printed(print_report, hostile)
    assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
    assert "\\x1b[2K" in text


def test_hostile_text_is_escaped_in_the_page(hostile):
    page = render_html(hostile)
    tags = tags_of(page)
    assert "img" not in tags.names
    assert not any(name.startswith("on") for name in tags.attributes)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{7*7}}" in page
    assert "\x1b" not in page and "\u202e" not in page


@pytest.mark.parametrize("which", ["finished", "running", "hostile"])
def test_the_page_stands_alone(which, request):
    page = render_html(request.getfixturevalue(which))
    tags = tags_of(page)
    assert not tags.names & {"script", "link", "iframe", "object", "img", "base", "form"}
    assert not tags.attributes & {"href", "src", "srcdoc", "action", "style"} - {"style"}
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_the_page_shows_thirty_rows_with_their_walks(finished):
    page = render_html(finished)
    assert page.count('<article class="card example">') == 30
    assert finished.examples[0].query in page
    assert finished.examples[0].grounding.nodes[2].label in page


def test_a_run_without_a_single_row_can_be_shown(running):
    empty_cells = tuple(
        replace(c, cells=tuple(replace(cell, delivered=0, measured=None) for cell in c.cells), measured_fit=None)
        for c in running.axes
    )
    empty = replace(
        running,
        delivered=0,
        axes=empty_cells,
        joints=(),
        lengths=(),
        routes=(),
        templates=(),
        latencies=(),
        examples=(),
        diversity=replace(running.diversity, rows=0, unique_share=None, distinct={1: None, 2: None, 3: None}),
    )
    assert "0 of 300 rows delivered" in printed(print_report, empty)
    assert "0 of 300 rows delivered" in render_html(empty)


def test_an_axis_of_hundreds_of_values_shows_the_largest_and_says_what_is_left(running):
    cells = tuple(replace(running.axes[0].cells[0], values=(f"set{n:03}",), planned=n, delivered=n) for n in range(200))
    short = tuple(replace(cell, delivered=cell.planned - 3 * (cell.values == ("set100",))) for cell in cells)
    report = replace(running, axes=(replace(running.axes[0], cells=short),))
    left = "and 176 more with 15,400 planned rows, largest gap 3"
    for text in (printed(print_report, report), render_html(report)):
        shown = re.findall(r"set\d\d\d", text)
        assert shown == [f"set{n}" for n in range(199, 175, -1)]
        assert left in text
    few = replace(running, axes=(replace(running.axes[0], cells=cells[:24]),))
    assert "more with" not in printed(print_report, few) + render_html(few)
