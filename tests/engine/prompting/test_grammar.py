"""Grammars: what is refused at load, and what an expansion promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from scipy.stats import chisquare

from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.grammar import MAX_TRIES, Grammar, load_grammar, slot_values
from routenator.engine.sample import ANY, Stratum

WritePrompt = Callable[..., Path]
NODE_TYPES = frozenset({"UserIntent", "SceneObject", "Action"})
VALUES = {"subject": ("kite",), "keyword": ("icon",), "purpose": ("a party",), "Action": ("draw",)}


@pytest.fixture
def make_grammar(write_prompt: WritePrompt) -> Callable[..., Grammar]:
    def make(rules: dict[str, object], **front: object) -> Grammar:
        path = write_prompt("heuristic/a.yaml", yaml.safe_dump({**front, "rules": rules}, sort_keys=False))
        return load_grammar(path, "heuristic/a", NODE_TYPES)

    return make


MakeGrammar = Callable[..., Grammar]


def faults_of(path: Path) -> tuple[Fault, ...]:
    with pytest.raises(PromptError) as caught:
        load_grammar(path, "heuristic/a", NODE_TYPES)
    return caught.value.faults


def expand(grammar: Grammar, seed: int = 0, **values: tuple[str, ...]) -> str:
    return grammar.expand("query", {**VALUES, **values}, random.Random(seed))


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("rules:\n  query: ['{subject}', '{sujbect}']", 2, "unknown symbol {sujbect}"),
        ("rules:\n  query: ['{DesignType}']", 2, "unknown symbol {DesignType}"),
        ("rules:\n  query: ['{subject']", 2, "stray brace"),
        ("rules:\n  query: ['{scene-object}']", 2, "stray brace"),
        ("rules:\n  query: ['{the:subject}']", 2, "stray brace"),
        ("rules:\n  query: []", 2, "no alternative"),
        ("rules:\n  core: [a]", 1, "no rule to start from"),
        ("rules:\n  query: ['{a}']\n  a: ['{b}']\n  b: ['x {a}']", 3, "the rule contains itself"),
        ("rules:\n  query: [x]\n  keyword: [icon]", 3, "belongs to a value of the sample"),
        ("rules:\n  query: [x]\n  SceneObject: [kite]", 3, "belongs to a value of the sample"),
        ("rules:\n  query: [x]\n  query: [y]", 3, "given twice"),
        ("weigth: 1\nrules:\n  query: [x]", 1, "unknown key"),
        ("rules:\n  query: [{text: x, weight: 0}]", 2, "greater than 0"),
        ("rules:\n  query: [{text: x, weight: .inf}]", 2, "finite number"),
        ("rules:\n  query: [3]", 2, "valid string"),
        ("modality: text\nrules:\n  query: [x]", 1, "heuristic"),
    ],
)
def test_faulty_grammar_is_named_by_line_and_reason(
    write_prompt: WritePrompt, content: str, line: int, message: str
) -> None:
    found = faults_of(write_prompt("heuristic/a.yaml", content))
    assert any(fault.line == line and message in fault.message for fault in found), found


def test_rules_that_double_one_another_are_refused(write_prompt: WritePrompt) -> None:
    rules = {"query": ["{r0}"]} | {f"r{i}": [f"{{r{i + 1}}} {{r{i + 1}}}"] for i in range(60)} | {"r60": ["x"]}
    (fault,) = faults_of(write_prompt("heuristic/a.yaml", yaml.safe_dump({"rules": rules}, sort_keys=False)))
    assert "may pass over 200 symbols" in fault.message


def test_chain_of_a_thousand_rules_is_refused_and_not_recursed_into(write_prompt: WritePrompt) -> None:
    rules = {"query": ["{r0}"]} | {f"r{i}": [f"{{r{i + 1}}}"] for i in range(3_000)} | {"r3000": ["x"]}
    assert len(faults_of(write_prompt("heuristic/a.yaml", yaml.safe_dump({"rules": rules}, sort_keys=False)))) == 1


def test_same_seed_gives_the_same_query(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{q} {subject} {keyword}", "{subject} for {purpose}"], "q": list("abcdefgh")})
    queries = [grammar.generate(ANY, VALUES, seed, lambda _: True) for seed in range(40)]
    assert queries == [grammar.generate(ANY, VALUES, seed, lambda _: True) for seed in range(40)]
    assert len(set(queries)) > 4


def test_alternatives_follow_their_weights(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": [{"text": "a", "weight": 3}, "b", {"text": "c", "weight": 0.5}]})
    counts = Counter(expand(grammar, seed) for seed in range(4_000))
    expected = [4_000 * weight / 4.5 for weight in (3, 1, 0.5)]
    assert chisquare([counts["a"], counts["b"], counts["c"]], expected).pvalue > 0.001


def test_expansion_that_needs_a_value_which_is_missing_is_dropped(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{subject} {keyword}"]})
    assert expand(grammar) == "kite icon"
    assert expand(grammar, keyword=()) == ""
    assert expand(grammar, keyword=("",)) == ""


def test_symbol_keeps_one_value_throughout(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{subject} and {subject}"]})
    for seed in range(30):
        first, _, last = expand(grammar, seed, subject=("kite", "drum", "owl")).partition(" and ")
        assert first == last


def test_two_names_of_one_node_keep_one_value(make_grammar: MakeGrammar) -> None:
    forms = [("UserIntent", ("a party",)), ("SceneObject", ("kite", "drum", "owl")), ("Action", ("draw",))]
    grammar = make_grammar({"query": ["{subject} / {SceneObject}"]})
    for seed in range(30):
        first, _, last = grammar.expand("query", slot_values(forms, ()), random.Random(seed)).partition(" / ")
        assert first == last


def test_stutter_is_dropped(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{subject} {keyword}"]})
    assert expand(grammar, subject=("app icon",)) == ""
    assert expand(grammar, subject=("iconic app",)) == "iconic app icon"


def test_article_is_put_before_a_value_or_a_rule(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{a:subject} with {a:thing}"], "thing": ["{keyword}"]})
    assert expand(grammar) == "a kite with an icon"
    assert expand(grammar, subject=("string lights",)) == "string lights with an icon"


def test_expansion_starts_at_the_phrasings_own_rule(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["anything"], "question": ["where?"]})
    assert grammar.generate("question", VALUES, 1, lambda _: True) == ("where?", 1)
    assert grammar.generate("fragment", VALUES, 1, lambda _: True) == ("anything", 1)
    assert grammar.generate(ANY, VALUES, 1, lambda _: True) == ("anything", 1)


def test_grammar_without_a_rule_to_start_from_does_not_serve_the_stratum(
    make_grammar: MakeGrammar, stratum: Stratum
) -> None:
    grammar = make_grammar({"question": ["where?"], "imperative": ["find"]})
    assert grammar.meta.serves(replace(stratum, phrasing="question"))
    assert not grammar.meta.serves(replace(stratum, phrasing="fragment"))
    assert not grammar.meta.serves(replace(stratum, phrasing=ANY))


def test_it_gives_up_after_a_bounded_number_of_expansions(make_grammar: MakeGrammar) -> None:
    grammar = make_grammar({"query": ["{subject}"]})
    asked: list[str] = []
    assert grammar.generate(ANY, VALUES, 1, lambda query: bool(asked.append(query))) == (None, MAX_TRIES)
    assert asked == ["kite"] * MAX_TRIES


def test_slot_values_name_nodes_by_type_and_by_place() -> None:
    nodes = [
        ("UserIntent", ("party",)),
        ("DesignType", ("card",)),
        ("SceneObject", ("kite", "toy kite")),
        ("Action", ("draw",)),
    ]
    values = slot_values(nodes, ("icon", "icons", "symbol", "art"))
    assert values["purpose"] == values["UserIntent"] == ("party",)
    assert values["kind"] == ("card",)
    assert values["subject"] == values["SceneObject"] == ("kite", "toy kite")
    assert values["action"] == ("draw",)
    assert set(values["keyword"]) == {"icon", "symbol", "art"}
    assert set(values["keywords"]) == {"icons", "art"}
    assert values["keyword"].count("icon") == 2, "the plain name weighs as much as the others together"


def test_slot_values_of_the_shortest_walk_and_of_no_keyword() -> None:
    values = slot_values([("Intent", ("party",)), ("Action", ("draw",))], ())
    assert values["purpose"] == values["subject"] == ("party",)
    assert values["action"] == values["kind"] == ("draw",)
    assert values["keyword"] == values["keywords"] == ()
