"""Rules on queries that a person would type, and on those that small models write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from routenator.engine.sample import Candidate, NodeRef


def _rows(file: str) -> list[list[str]]:
    lines = Path(__file__).with_name(file).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


@pytest.mark.parametrize(("query", "free_text", "label", "intent", "design", "scene"), _rows("good_queries.tsv"))
def test_rules_pass_what_a_person_would_type(make_case, check, query, free_text, label, intent, design, scene):
    case = make_case(query, free_text, label, f"{intent}|{design}|{scene}")
    found = check(case)
    assert found == ()


@pytest.mark.parametrize(("code", "query", "free_text", "label", "intent", "design", "scene"), _rows("bad_queries.tsv"))
def test_rules_catch_what_a_weak_model_writes(make_case, check, code, query, free_text, label, intent, design, scene):
    case = make_case(query, free_text, label, f"{intent}|{design}|{scene}")
    found = check(case)
    assert code in {finding.code for finding in found}
    assert all(finding.source == "rules" and finding.message for finding in found)


@pytest.fixture
def codes(check):
    return lambda case: [finding.code for finding in check(case)]


@pytest.mark.parametrize("planted", ["\u202e", "\x1b]52;c;aGk=\x07", "\x00", "\ud800", "\n"])
def test_control_characters_are_found_in_query_and_free_text(make_case, codes, planted):
    about = "celebrate a birthday|greeting card|balloons"
    assert "characters" in codes(make_case(f"birthday {planted} card", "birthday", "search template", about))
    assert "characters" in codes(make_case("birthday card", f"birthday{planted}", "search template", about))


def test_length_rule_names_the_words_found_and_wanted(make_case, check):
    case = make_case("cat photo", "cat", "search image", "pets|photo|cat", length="4-6")
    found = check(case)
    assert [finding.message for finding in found] == ["The query has 2 words; write 4 to 6 words."]


@pytest.mark.parametrize(
    ("query", "wanted", "passes"),
    [
        ("cat photo", "fragment", True),
        ("cat photo", "question", False),
        ("find a cat photo", "imperative", True),
        ("find a cat photo", "fragment", False),
        ("any cat photo?", "question", True),
    ],
)
def test_phrasing_rule_follows_the_stratum(make_case, codes, query, wanted, passes):
    case = make_case(query, "cat", "search image", "pets|photo|cat", phrasing=wanted)
    assert ("phrasing" not in codes(case)) is passes


@pytest.mark.parametrize(
    ("query", "wanted", "message"),
    [
        ("cat photo", "end", None),
        ("cat photo", "start", "put it at the start"),
        ("cat photo", "absent", "Do not use the word 'photo'"),
        ("cat on a mat", "end", "Use the word 'image' at the end"),
        ("cat on a mat", "absent", None),
    ],
)
def test_keyword_position_rule_says_where_the_word_belongs(make_case, check, query, wanted, message):
    case = make_case(query, "cat", "search image", "pets|photo|cat", keyword_position=wanted)
    found = check(case)
    assert [message in finding.message for finding in found] == ([] if message is None else [True])


def test_copied_example_is_found_whatever_its_case(make_case, codes):
    case = make_case("Cat photo!", "Cat", "search image", "pets|photo|cat", examples=frozenset({"cat photo"}))
    assert codes(case) == ["example_copied"]


def test_walk_that_forbids_the_label_is_found(make_case, codes):
    nodes = (NodeRef("dt_icon_set", "DesignType", "icon set"), NodeRef("act_make", "Action", "make"))
    case = make_case("cat photo", "cat", "search image", "pets|photo|cat", nodes=nodes)
    assert codes(case) == ["category_not_allowed", "function_not_allowed"]


def test_schema_rule_names_the_argument(make_case, check):
    case = make_case("cat photo", "cat", "search image", "pets|photo|cat")
    candidate = Candidate("cat photo", {"content_type": "painting", "prompt": "cat", "size": "big"})
    found = check(replace(case, candidate=candidate))
    messages = " ".join(finding.message for finding in found if finding.code == "schema")
    assert "content_type" in messages
    assert "size" in messages
    assert "must be 'image'" in messages


def test_node_id_that_is_a_plain_word_may_be_in_the_query(make_case, codes):
    case = make_case("cat photo", "cat", "search image", "pets|photo|x", nodes=(NodeRef("cat", "SceneObject", "cat"),))
    assert codes(case) == []


def test_words_of_the_grounding_are_no_leakage(make_case, codes):
    case = make_case("sql query icon", "sql query", "search icon", "learn databases|icon set|sql query")
    assert codes(case) == []
