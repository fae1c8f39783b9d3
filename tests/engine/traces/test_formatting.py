import json
from dataclasses import replace
from io import StringIO

import orjson
import pytest
from factories import FEW_SHOTS, SYSTEM_TEXT, make_record
from rich.console import Console

from routenator.engine.display import has_unsafe_characters
from routenator.engine.sample import Candidate, Completion, ContentRef, Critique, Finding, Grounding, Hop, NodeRef
from routenator.engine.traces.formatting import format_trace


def lay_out(record, width=100):
    console = Console(file=StringIO(), width=width, force_terminal=False)
    data = json.loads(orjson.dumps(record)) if not isinstance(record, dict) else record
    console.print(format_trace(data))
    return console.file.getvalue()


def flat(text):
    return " ".join(text.split())


def first_with(route, **kwargs):
    return next(r for slot in range(100) if (r := make_record(slot, **kwargs)).stratum.route == route)


def test_it_names_what_the_sample_is():
    record = first_with("text", verdict="rejected", attempts=2)
    shown = flat(lay_out(record))
    assert f"Trace {record.key.slot}.0 rejected" in shown
    assert record.candidate.query in shown
    assert f'{record.stratum.function}(content_type="{record.stratum.category}"' in shown
    for value in (
        "route text",
        f"category {record.stratum.category}",
        "text/plain",
        "smollm2-360m-instruct",
        "2 attempts",
    ):
        assert value in shown


def test_it_shows_the_walk_with_names_edge_types_and_weights():
    record = make_record(1)
    shown = lay_out(record)
    lines = [line for line in shown.splitlines() if "weight" in line or "userintent-" in line]
    assert any(record.grounding.nodes[0].label in line for line in lines)
    for hop in record.grounding.hops:
        assert f"{hop.type}  weight {hop.weight:g}" in shown
    for node in record.grounding.nodes:
        assert node.label in shown
    assert record.grounding.content.image in shown
    assert record.grounding.content.title in shown


def test_it_shows_each_node_with_its_times_input_and_output():
    record = first_with("text", attempts=2)
    shown = flat(lay_out(record))
    for span in record.spans:
        assert f"{span.start_ms:,.2f} {span.duration_ms:,.2f} {span.node}" in shown
    assert f"seed={record.spans[1].input['seed']} → nodes=" in shown


def test_it_shows_every_attempt_whole():
    record = first_with("text", verdict="rejected", attempts=3)
    shown = flat(lay_out(record))
    assert flat(SYSTEM_TEXT) in shown
    assert flat(FEW_SHOTS[2][0]) in shown
    for attempt in record.attempts:
        assert f"Attempt {attempt.number}: revise" in shown
        assert f"seed {attempt.seed}" in shown
        assert attempt.completion.text in shown
        assert f"rules length {attempt.critique.findings[0].message}" in shown
        assert f"grounded {attempt.critique.scores['grounded']:.2f}" in shown
        assert attempt.judge_completions[0].text in shown
        assert f"status 200, latency_ms {attempt.completion.requests[0]['latency_ms']:,.1f}" in shown


def test_the_beginning_that_a_prompt_shares_with_an_earlier_one_is_not_repeated():
    record = first_with("text", verdict="rejected", attempts=3)
    shown = flat(lay_out(record))
    assert shown.count(flat(SYSTEM_TEXT)) == 1
    assert shown.count("messages 1 to 12 as in attempt 1, prompt") == 2


def test_it_shows_the_image_that_was_sent():
    record = first_with("vision", attempts=1)
    assert f"image {record.grounding.content.image}, sha256" in flat(lay_out(record))


def test_it_shows_what_went_wrong():
    record = first_with("text", verdict="failed", attempts=2)
    request = {
        "replica": "http://127.0.0.1:1/v1",
        "status": 503,
        "error": "overloaded",
        "latency_ms": 3.0,
        "wait_s": 0.5,
    }
    attempt = record.attempts[-1]
    attempt = replace(attempt, completion=replace(attempt.completion, requests=(request,)))
    shown = flat(lay_out(replace(record, attempts=(record.attempts[0], attempt))))
    assert "ended by endpoint: 503 from replica 0" in shown
    assert "Attempt 2: endpoint" in shown
    assert "HTTP http://127.0.0.1:1/v1: status 503, latency_ms 3.0, wait_s 0.5, overloaded" in shown


def test_an_error_that_the_critique_repeats_is_shown_once():
    record = first_with("text", verdict="failed", attempts=1)
    critique = Critique("reground", (Finding("unfit", "no expansion fits", "parse"),))
    attempt = replace(record.attempts[0], error_class="unfit", error="no expansion fits", critique=critique)
    shown = flat(lay_out(replace(record, attempts=(attempt,), error=None)))
    assert "Attempt 1: reground" in shown
    assert shown.count("no expansion fits") == 1


def test_fractions_have_four_figures_and_nothing_is_left_out_but_null():
    span = replace(make_record(1).spans[0], input={"x": 0.123456}, output={"scores": [{"y": -8.38760}], "error": None})
    shown = flat(lay_out(replace(make_record(1), spans=(span,))))
    assert 'x=0.1235 → scores=[{"y": -8.388}]' in shown
    assert "null" not in shown


def test_a_duplicate_names_the_one_that_stays():
    record = json.loads(orjson.dumps(make_record(0))) | {"error_class": "duplicate", "duplicate_of": "7.1"}
    assert "duplicate of 7.1" in flat(lay_out(record))


def test_a_sample_that_ended_before_its_first_node_is_shown():
    record = replace(
        make_record(0, verdict="failed"), grounding=None, candidate=None, attempts=(), spans=(), template=None
    )
    assert "0 attempts" in flat(lay_out(record))


@pytest.mark.parametrize(
    "evil", ["\x1b]52;c;aGk=\x07", "\x1b[2K\r", "\u202e", "\ud800", "\x00", "[red]bold[/red]", "\x9b2J"]
)
def test_nothing_that_a_model_or_a_pack_wrote_drives_the_terminal(evil):
    message = {
        "role": evil,
        "content": [{"type": "text", "text": evil}, {"type": "image", "path": evil, "sha256": evil}],
    }
    odd = {"type": evil, evil: evil}
    completion = Completion(
        ({"role": "user", "content": evil}, message, {"role": "user", "content": [odd]}),
        evil, evil, evil, evil, 1, 2, 3.0,
        ({"replica": evil, "status": 500, "error": evil, "mode": evil},),
    )  # fmt: skip
    record = make_record(0, verdict="rejected", attempts=1)
    attempt = replace(
        record.attempts[0],
        template=evil,
        completion=completion,
        candidate=Candidate(evil, {evil: evil}),
        error_class=evil,
        error=evil,
        critique=Critique("reject", (Finding(evil, evil, "judge"),), {evil: 0.5}),
        judge_completions=(completion,),
    )
    record = replace(
        record,
        template=evil,
        stratum=replace(record.stratum, category=evil),
        candidate=attempt.candidate,
        error=evil,
        error_class=evil,
        attempts=(attempt,),
        spans=(replace(record.spans[0], node=evil, input={evil: evil}, output={evil: [evil]}, error=evil),),
        grounding=Grounding(
            (NodeRef(evil, evil, evil), NodeRef("b", "T", "c")),
            (Hop(evil, evil, "b", 1.0),),
            ContentRef(evil, evil, (evil,), evil, evil),
        ),
    )
    from routenator.engine.ledger.trace_codec import dump_json, load_json

    shown = lay_out(load_json(dump_json(record)))
    assert not has_unsafe_characters(shown)
    if evil.startswith("["):
        assert shown.count("[red]bold[/red]") > 10


def test_replies_that_were_not_chosen_are_shown_beside_the_one_that_was():
    record = make_record(0, verdict="accepted", attempts=1)
    attempt = record.attempts[0]
    assert attempt.completion is not None
    completion = replace(attempt.completion, choices=("words of no use", attempt.completion.text, "the \x1b[2J third"))
    shown = lay_out(replace(record, attempts=(replace(attempt, completion=completion),)))
    assert "reply, chosen of 3" in shown
    assert shown.count("not chosen") == 2
    assert "words of no use" in shown and "third" in shown
    assert not has_unsafe_characters(shown)
    assert "chosen" not in lay_out(record)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_no_line_is_wider_than_the_terminal(width):
    shown = lay_out(make_record(2, verdict="rejected", attempts=3), width)
    assert max(map(len, shown.splitlines())) <= width
