"""The state machine: its shape, every edge of it, and the verdict that each way ends in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.bench import BAD, HEURISTIC, TEXT, VISION, answer_in_turn, answer_well, open_bench, words_of
from fakes.endpoint import RESET, Reply

from routenator.engine.errors import AuthError
from routenator.engine.sample import SampleRecord, Stratum
from routenator.graphs.sample import build_graph

MODALITIES = ("heuristic", "text", "vision")


def steps(record: SampleRecord) -> list[str]:
    """Names of the nodes in the order in which they ran."""
    return [span.node for span in record.spans]


def codes(record: SampleRecord) -> list[list[str]]:
    """Codes of every attempt's findings."""
    return [[finding.code for finding in a.critique.findings] if a.critique else [] for a in record.attempts]


def decisions(record: SampleRecord) -> list[str | None]:
    return [attempt.critique.decision if attempt.critique else None for attempt in record.attempts]


def test_graph_has_the_nodes_and_edges_of_the_design() -> None:
    drawn = build_graph().get_graph()
    generators = {f"generate_{modality}" for modality in MODALITIES}
    assert set(drawn.nodes) == {"__start__", "route", "walk", *generators, "critique", "__end__"}
    edges = {("__start__", "route"), ("route", "walk"), ("critique", "walk"), ("critique", "__end__")}
    for generator in generators:
        edges |= {("walk", generator), (generator, "critique"), ("critique", generator)}
    assert {(edge.source, edge.target) for edge in drawn.edges} == edges
    labels = {(edge.source, edge.target): edge.data for edge in drawn.edges if edge.source == "critique"}
    assert labels["critique", "walk"] in (None, "reground")
    assert labels["critique", "generate_text"] == "revise_text"


def test_mermaid_names_every_node() -> None:
    mermaid = build_graph().get_graph().draw_mermaid()
    for node in ("route", "walk", "generate_heuristic", "generate_text", "generate_vision", "critique"):
        assert f"\t{node}({node})" in mermaid


@pytest.mark.parametrize("stratum", [HEURISTIC, TEXT, VISION], ids=MODALITIES)
async def test_clean_sample_takes_four_steps_and_is_accepted(cache: Path, stratum: Stratum) -> None:
    async with open_bench(cache, stratum) as bench:
        record = await bench.run()
    assert steps(record) == ["route", "walk", f"generate_{stratum.route}", "critique"]
    assert (record.verdict, record.error_class, record.error) == ("accepted", None, None)
    assert record.stratum == stratum
    assert record.candidate is not None
    assert record.candidate.arguments["content_type"] == "icon"
    assert record.template is not None and record.template.startswith(f"{stratum.route}/")
    assert len(bench.writer.requests) == (stratum.route != "heuristic")


@pytest.mark.parametrize("stratum", [TEXT, VISION], ids=["text", "vision"])
async def test_bad_answer_is_revised_on_the_same_walk(cache: Path, stratum: Stratum) -> None:
    async with open_bench(cache, stratum, answer_in_turn(BAD, answer_well)) as bench:
        record = await bench.run()
    generator = f"generate_{stratum.route}"
    assert steps(record) == ["route", "walk", generator, "critique", generator, "critique"]
    assert record.verdict == "accepted"
    assert decisions(record) == ["revise", "accept"]
    assert "ungrounded" in codes(record)[0]
    assert record.attempts[0].seed != record.attempts[1].seed


async def test_after_max_attempts_the_walk_is_drawn_anew_and_after_max_regrounds_the_sample_is_rejected(
    cache: Path,
) -> None:
    async with open_bench(cache, TEXT, BAD, max_attempts=2, max_regrounds=2) as bench:
        records = [await bench.run(slot) for slot in range(4)]
    for record in records:
        once = ["walk", *["generate_text", "critique"] * 2]
        assert steps(record) == ["route", *once * 3]
        assert decisions(record) == ["revise", "reground", "revise", "reground", "revise", "reject"]
        assert record.verdict == "rejected"
        assert record.error_class == codes(record)[-1][0]
        assert record.error
    walks = [span.output["path"] for record in records for span in record.spans if span.node == "walk"]
    assert len({tuple(walk) for walk in walks}) > len(records), "a re-grounding draws another walk"


async def test_first_attempt_on_a_new_walk_knows_nothing_of_the_old_one(cache: Path) -> None:
    async with open_bench(cache, TEXT, BAD, max_attempts=2, max_regrounds=1) as bench:
        await bench.run()
    texts = [words_of(request.body) for request in bench.writer.requests]
    assert ["not about its subject" in text for text in texts] == [False, True, False, True]


async def test_limits_of_one_reject_at_once(cache: Path) -> None:
    async with open_bench(cache, TEXT, BAD, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    assert steps(record) == ["route", "walk", "generate_text", "critique"]
    assert record.verdict == "rejected"


async def test_heuristic_that_no_expansion_fits_asks_for_another_walk_at_once(cache: Path) -> None:
    impossible = replace(HEURISTIC, length="40-41")
    async with open_bench(cache, impossible, max_attempts=3, max_regrounds=1) as bench:
        record = await bench.run()
    assert decisions(record) == ["reground", "reject"]
    assert codes(record) == [["unfit"], ["unfit"]]
    assert (record.verdict, record.error_class) == ("rejected", "unfit")


async def test_endpoint_that_fails_makes_a_failed_record_without_another_attempt(cache: Path) -> None:
    async with open_bench(cache, TEXT, Reply.status(400, "context length exceeded")) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class) == ("failed", "endpoint")
    assert "context length exceeded" in str(record.error)
    assert len(record.attempts) == len(bench.writer.requests) == 1
    assert record.grounding is not None


async def test_failure_after_a_bad_attempt_keeps_that_attempt(cache: Path) -> None:
    async with open_bench(cache, TEXT, answer_in_turn(BAD, RESET)) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class) == ("failed", "endpoint")
    assert [attempt.candidate is not None for attempt in record.attempts] == [True, False]


async def test_dead_end_is_rejected_and_keeps_its_stratum(cache: Path) -> None:
    nowhere = replace(TEXT, function="draw")
    async with open_bench(cache, nowhere) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class) == ("rejected", "dead_end")
    assert record.stratum == nowhere
    assert record.attempts == ()
    assert not bench.writer.requests


async def test_refused_key_stops_everything(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_KEY", "sk-canary-1234567890")
    async with open_bench(cache, TEXT, Reply.status(401, "bad sk-canary-1234567890"), api_key_env="BENCH_KEY") as bench:
        with pytest.raises(AuthError) as caught:
            await bench.run()
    assert "canary" not in str(caught.value)


async def test_truncated_answer_gets_more_room(cache: Path) -> None:
    cut = Reply.text('{"query": "a long', "length")
    async with open_bench(cache, TEXT, answer_in_turn(cut, answer_well)) as bench:
        record = await bench.run()
    assert record.verdict == "accepted"
    assert [attempt.error_class for attempt in record.attempts] == ["truncated", None]
    first, second = (request.body["max_tokens"] for request in bench.writer.requests)
    assert second > first


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (Reply.text("{broken"), "parse"),
        (Reply.json({"text": "no query"}), "parse"),
        (Reply.text('{"query": "a", "query": "b"}'), "parse"),
        (Reply.text(""), "degenerate"),
        (Reply.text(" \n" * 500), "degenerate"),
    ],
    ids=["broken", "no query", "key twice", "empty", "white space"],
)
async def test_unusable_answer_counts_as_an_attempt_and_is_said_in_the_next_prompt(
    cache: Path, reply: Reply, error_class: str
) -> None:
    async with open_bench(cache, TEXT, answer_in_turn(reply, answer_well)) as bench:
        record = await bench.run()
    assert record.verdict == "accepted"
    assert [attempt.error_class for attempt in record.attempts] == [error_class, None]
    first = record.attempts[0]
    assert first.critique is not None
    assert first.critique.findings[0].source == "parse"
    said = words_of(bench.writer.requests[1].body)
    message = first.critique.findings[0].message.rstrip(".")
    assert message in said
    assert message not in words_of(bench.writer.requests[0].body)


async def test_sample_that_never_parses_is_rejected_with_its_class(cache: Path) -> None:
    async with open_bench(cache, TEXT, Reply.text("no JSON"), max_attempts=2, max_regrounds=0) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class) == ("rejected", "parse")
    assert record.candidate is None


async def test_same_key_gives_the_same_walk_prompt_and_request(cache: Path) -> None:
    async with open_bench(cache, TEXT, answer_in_turn(*[BAD] * 100)) as bench:
        records = [await bench.run(slot=3, round=1) for _ in range(2)]
        bodies = [request.body for request in bench.writer.requests]
        other_slot, other_round = await bench.run(slot=4, round=1), await bench.run(slot=3, round=2)
    first, second = records
    half = len(bodies) // 2
    assert bodies[:half] == bodies[half:]
    assert [a.seed for a in first.attempts] == [a.seed for a in second.attempts]
    assert first.grounding == second.grounding
    assert first.template == second.template
    for other in (other_slot, other_round):
        assert not {a.seed for a in other.attempts} & {a.seed for a in first.attempts}


async def test_record_of_another_run_seed_differs(cache: Path) -> None:
    walks = []
    for seed in (1, 2):
        async with open_bench(cache, HEURISTIC, seed=seed) as bench:
            walks.append([(await bench.run(slot)).grounding for slot in range(6)])
    assert walks[0] != walks[1]


async def test_spans_say_what_happened_in_order(cache: Path) -> None:
    async with open_bench(cache, VISION, answer_in_turn(BAD, answer_well)) as bench:
        record = await bench.run()
    spans = {span.node: span for span in record.spans}
    assert spans["route"].output["prompt"] == record.template
    assert record.grounding is not None and record.grounding.content is not None
    assert spans["walk"].output["path"] == [node.id for node in record.grounding.nodes]
    assert spans["walk"].output["content"] == record.grounding.content.id
    assert spans["critique"].output["decision"] == "accept"
    assert all(
        a.start_ms + a.duration_ms <= b.start_ms + 0.01 for a, b in zip(record.spans, record.spans[1:], strict=False)
    )
    assert all(math.isfinite(span.duration_ms) for span in record.spans)
