"""The nodes on functions whose arguments are spoken: the walk over arguments, grammars, and models on rails."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.bench import BOOKING, SPOKEN, answer_booking, answer_in_turn, load_outside, open_bench, values_of, words_of
from fakes.endpoint import Reply
from fakes.writer import pattern_of

from routenator.engine.sample import SampleRecord, Stratum
from routenator.engine.validation.casing import classify_casing
from routenator.engine.validation.spans import find_spans

SAID = replace(BOOKING, route="heuristic", length="4-14", casing="any")
ABROAD = replace(SAID, arguments="city+country+place")
ALARM = Stratum("heuristic", "set_alarm", "none", phrasing="imperative", arguments="label+time")


def copy_with_nodes(folder: Path, lines: Iterable[str], edges: Iterable[str]) -> Path:
    """A copy of the spoken pack with these lines for its nodes and edges."""
    root = Path(shutil.copytree(SPOKEN, folder / "spoken"))
    for name, texts in (("nodes", lines), ("edges", edges)):
        (root / "graph" / f"{name}.csv").write_text("\n".join(texts) + "\n")
    return root


def graph_lines(name: str) -> list[str]:
    return (SPOKEN / "graph" / f"{name}.csv").read_text().splitlines()


def codes(record: SampleRecord) -> list[list[str]]:
    """Codes of each attempt's findings."""
    return [[f.code for f in attempt.critique.findings] for attempt in record.attempts if attempt.critique]


async def test_a_walk_visits_the_arguments_that_are_present_in_the_order_of_declaration(cache: Path) -> None:
    async with open_bench(cache, ABROAD, root=SPOKEN) as bench:
        records = [await bench.run(slot) for slot in range(12)]
        again = await bench.run(3)
    for record in records:
        assert record.grounding is not None
        place, city, country = record.grounding.nodes
        assert [node.argument for node in record.grounding.nodes] == ["place", "city", "country"]
        assert place.label in ("restaurant", "bistro")
        (hop,) = record.grounding.hops
        assert (hop.source, hop.type, hop.target) == (city.id, "LIES_IN", country.id)
    assert again.grounding == records[3].grounding
    assert len({record.grounding for record in records}) > 6


@pytest.mark.parametrize(("length", "least", "most"), [("7-9", 0.0, 0.1), ("16-19", 0.3, 1.0)])
async def test_long_labels_stand_in_long_queries(
    cache: Path, tmp_path: Path, length: str, least: float, most: float
) -> None:
    name = "Vila Nova de Mil Fontes do Sul"
    nodes = [*graph_lines("nodes"), f"city_long,City,{name},,,,6"]
    root = copy_with_nodes(tmp_path, nodes, graph_lines("edges"))
    async with open_bench(cache, replace(SAID, arguments="city+place", length=length), root=root) as bench:
        records = [await bench.run(slot) for slot in range(40)]
    cities = [record.grounding.nodes[1].label for record in records if record.grounding]
    assert least <= cities.count(name) / len(cities) <= most
    assert sum(record.verdict == "accepted" for record in records) > 35


async def test_labels_that_clash_are_drawn_anew(cache: Path, tmp_path: Path) -> None:
    heavy = [line.replace("Singapore,,,,1", "Singapore,,,,20") for line in graph_lines("nodes")]
    root = copy_with_nodes(tmp_path, heavy, graph_lines("edges"))
    async with open_bench(cache, ABROAD, root=root) as bench:
        records = [await bench.run(slot) for slot in range(30)]
    for record in records:
        assert record.grounding is not None, record.error
        labels = [node.label for node in record.grounding.nodes]
        assert len(set(labels)) == 3


async def test_a_walk_whose_labels_always_clash_is_a_dead_end(cache: Path, tmp_path: Path) -> None:
    nodes = [line for line in graph_lines("nodes") if ",City," not in line or "Singapore" in line]
    edges = [line for line in graph_lines("edges") if line.startswith(("source", "city_singapore"))]
    async with open_bench(cache, ABROAD, root=copy_with_nodes(tmp_path, nodes, edges)) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class, record.attempts) == ("rejected", "dead_end", ())
    assert "argument=country" in str(record.error) and "was a part of another argument's" in str(record.error)


async def test_a_category_that_no_node_names_is_a_dead_end(cache: Path) -> None:
    async with open_bench(cache, replace(SAID, category="hotel"), root=SPOKEN) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class) == ("rejected", "dead_end")
    assert "argument=place, category=hotel: no Place node allows it" in str(record.error)


@pytest.mark.parametrize("casing", ["lower", "sentence", "upper", "mixed", "title"])
@pytest.mark.parametrize("punctuation", ["none", "final"])
async def test_a_grammar_says_the_values_in_the_strata_dress(cache: Path, casing: str, punctuation: str) -> None:
    stratum = replace(ABROAD, casing=casing, punctuation=punctuation, phrasing="question")
    async with open_bench(cache, stratum, root=SPOKEN) as bench:
        records = [await bench.run(slot) for slot in range(4)]
    assert {record.verdict for record in records} == {"accepted"}
    for record in records:
        assert record.candidate is not None
        query, values = record.candidate.query, record.candidate.arguments
        assert values.keys() == {"place", "city", "country"}
        assert all(value in query for value in values.values())
        assert find_spans(query, values).is_exact
        assert classify_casing(query) == casing
        assert query.endswith("?") == (punctuation == "final")
        assert 4 <= len(query.split()) <= 14


async def test_slots_of_mixed_casing_keep_the_capitals_by_which_they_are_told(cache: Path, tmp_path: Path) -> None:
    root = copy_with_nodes(tmp_path, graph_lines("nodes"), graph_lines("edges"))
    spec = root / "domain.yaml"
    spec.write_text(spec.read_text().replace("node: City}", "node: City, lowercase: 1}"))
    stratum = replace(SAID, arguments="city+place", casing="mixed")
    async with open_bench(cache, stratum, root=root) as bench:
        records = [await bench.run(slot) for slot in range(12)]
    assert {classify_casing(record.candidate.query) for record in records if record.candidate} == {"mixed"}


async def test_a_share_of_an_arguments_values_is_said_in_small_letters(cache: Path, tmp_path: Path) -> None:
    root = copy_with_nodes(tmp_path, graph_lines("nodes"), graph_lines("edges"))
    spec = root / "domain.yaml"
    spec.write_text(spec.read_text().replace("node: City}", "node: City, lowercase: 0.5}"))
    async with open_bench(cache, ABROAD, root=root) as bench:
        records = [await bench.run(slot) for slot in range(40)]
        again = [await bench.run(slot) for slot in range(40)]
    assert [record.candidate for record in again] == [record.candidate for record in records]
    values = [record.candidate.arguments for record in records if record.candidate and record.verdict == "accepted"]
    assert len(values) > 30
    small = sum(value["city"].islower() for value in values)
    assert len(values) / 4 < small < len(values) * 3 / 4
    assert not any(value["country"].islower() for value in values)


async def test_noise_is_one_misspelt_word_outside_the_values(cache: Path) -> None:
    outside = load_outside(SPOKEN)
    known = outside.carrier | {word for names in outside.named.values() for word in names}
    stratum = replace(SAID, length="9-14")
    async with open_bench(cache, replace(stratum, noise="typo"), root=SPOKEN) as bench:
        noisy = [await bench.run(slot) for slot in range(8)]
    async with open_bench(cache, replace(stratum, noise="none"), root=SPOKEN) as bench:
        clean = [await bench.run(slot) for slot in range(8)]
    for records, wanted in ((noisy, 1), (clean, 0)):
        for record in records:
            assert record.candidate is not None and record.verdict == "accepted"
            spans = find_spans(record.candidate.query, record.candidate.arguments)
            between = [word for words in spans.words_between() for word in words]
            assert sum(word not in known for word in between) == wanted, record.candidate.query


@pytest.mark.parametrize(
    "stratum",
    [replace(ALARM, arguments="day+label"), replace(SAID, length="1-2"), replace(SAID, arguments="country+place")],
)
async def test_what_the_grammar_cannot_say_is_unfit(cache: Path, stratum: Stratum) -> None:
    async with open_bench(cache, stratum, root=SPOKEN) as bench:
        record = await bench.run()
    assert (record.verdict, record.error_class, record.candidate) == ("rejected", "unfit", None)
    assert {attempt.error_class for attempt in record.attempts} == {"unfit"}
    assert "no expansion of heuristic/" in str(record.attempts[0].error)


async def test_a_request_names_the_values_and_holds_them_in_its_pattern(cache: Path) -> None:
    async with open_bench(cache, BOOKING, answer_booking, root=SPOKEN) as bench:
        records = [await bench.run(slot) for slot in range(4)]
    for record, request in zip(records, bench.writer.requests, strict=True):
        assert record.verdict == "accepted"
        pattern, values = pattern_of(request.body), values_of(request.body)
        assert pattern is not None and values.keys() == {"place", "city"}
        assert [pattern.count(re.escape(value).replace("\\ ", " ")) for value in values.values()] == [1, 1]
        head, tail = request.body["messages"][1:3]
        assert (head["role"], tail["role"]) == ("user", "assistant")
        assert "place: cafe" in head["content"] or "city: Kyoto" in head["content"]


async def test_without_a_sentence_that_fits_the_request_has_no_pattern(cache: Path) -> None:
    async with open_bench(
        cache, replace(BOOKING, length="30-40"), answer_booking, root=SPOKEN, max_attempts=1
    ) as bench:
        record = await bench.run()
    assert pattern_of(bench.writer.requests[0].body) is None
    assert codes(record)[0] == ["length"]


async def test_a_reply_that_drops_a_value_is_revised_with_that_reason(cache: Path) -> None:
    def drop(body: dict[str, object]) -> Reply:
        return Reply.json({"query": f"book a nice {values_of(body)['place']} somewhere"})

    async with open_bench(cache, BOOKING, answer_in_turn(drop, answer_booking), root=SPOKEN) as bench:
        record = await bench.run()
    first, second = (words_of(request.body) for request in bench.writer.requests)
    reason = f"Say '{values_of(bench.writer.requests[0].body)['city']}' in the query, exactly so."
    assert codes(record)[0][0] == "value_missing"
    assert reason in second and reason not in first
    assert record.verdict == "accepted"


@pytest.mark.parametrize(
    ("more", "code"), [("in the United States", "absent_argument"), ("near Braga Osaka", "unlabelled")]
)
async def test_a_reply_with_a_name_that_is_no_argument_is_refused(cache: Path, more: str, code: str) -> None:
    def add(body: dict[str, object]) -> Reply:
        values = values_of(body)
        return Reply.json({"query": f"book a {values['place']} in {values['city']} {more}"})

    stratum = replace(BOOKING, length="4-14")
    async with open_bench(cache, stratum, add, root=SPOKEN, max_attempts=1, max_regrounds=0) as bench:
        record = await bench.run()
    assert record.verdict == "rejected"
    assert code in codes(record)[0]


@pytest.mark.parametrize("casing", ["lower", "upper", "sentence"])
async def test_labels_are_cased_as_the_dressed_query(cache: Path, casing: str) -> None:
    async with open_bench(cache, replace(BOOKING, casing=casing), answer_booking, root=SPOKEN) as bench:
        record = await bench.run()
    said = values_of(bench.writer.requests[0].body)
    change = {"lower": str.lower, "upper": str.upper, "sentence": str}[casing]
    assert record.candidate is not None
    assert record.candidate.arguments == {name: change(value) for name, value in said.items()}
    assert classify_casing(record.candidate.query) == casing
