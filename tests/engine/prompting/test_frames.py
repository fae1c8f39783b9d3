"""Sentence frames: what is refused at load, what a sentence says, and how often each is drawn."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from routenator.engine.errors import PromptError
from routenator.engine.prompting.alternative import Weighted
from routenator.engine.prompting.frames import Frames
from routenator.engine.prompting.grammar import MAX_TRIES, Grammar, load_grammar
from routenator.engine.prompting.library import PromptLibrary
from routenator.engine.sample import ANY

WritePrompt = Callable[..., Path]
Rules = Mapping[str, list[Weighted]]
ARGUMENTS = {"play": frozenset({"artist", "track", "year"}), "rate": frozenset({"book", "year"})}
NAMES = ("artist", "track", "year")
VALUES = {"artist": "Ada Quill", "track": "Nine Lamps", "year": "1987"}
TINY = {
    "query": [
        {"text": "{lead} {what} {by} {from}", "weight": 3},
        "{what} {from}",
        {"text": "{from} {by}, {what}", "weight": 0.5},
    ],
    "lead": ["play", {"text": "put on", "weight": 0.25}],
    "what": ["{track}", "a song", {"text": "{artist}'s {track}", "weight": 2}],
    "by": ["", {"text": "by {artist}", "weight": 4}],
    "from": [
        "",
        {"text": "of {year}", "weight": 2, "when": {"year": r"\d{4}"}},
        {"text": "of the {year}", "when": {"year": r"\d\ds"}},
        {"text": "of any year", "when": {"year": ""}},
    ],
}


@pytest.fixture
def make_frames(write_prompt: WritePrompt) -> Callable[..., Grammar]:
    def make(rules: dict[str, object], functions: tuple[str, ...] = ("play",)) -> Grammar:
        text = yaml.safe_dump({"functions": list(functions), "rules": rules}, sort_keys=False)
        return load_grammar(write_prompt("heuristic/a.yaml", text), "heuristic/a", frozenset({"Action"}), ARGUMENTS)

    return make


MakeFrames = Callable[..., Grammar]


def any_of(_: str) -> bool:
    return True


def read(rules: Mapping[str, object]) -> dict[str, list[Weighted]]:
    return {
        symbol: [Weighted(text=o) if isinstance(o, str) else Weighted.model_validate(o) for o in options]
        for symbol, options in rules.items()
        if isinstance(options, list)
    }


def expansions(rules: Rules, symbol: str, values: Mapping[str, str]) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    """Every expansion that says no argument twice, with its chance and the arguments that it says, by brute force."""
    if symbol not in rules:
        if symbol in values:
            yield values[symbol], 1.0, (symbol,)
        return
    found = [(option.weight, list(expansions_of(rules, option, values))) for option in rules[symbol]]
    total = sum(weight for weight, texts in found if texts)
    for weight, texts in found:
        for text, chance, said in texts:
            yield text, chance * weight / total, said


def expansions_of(
    rules: Rules, option: Weighted, values: Mapping[str, str]
) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    if not all(re.fullmatch(pattern, values.get(name, "")) for name, pattern in option.when.items()):
        return
    for parts in itertools.product(*(list(expansions(rules, name, values)) for name in option.symbols())):
        text, chance = option.text, 1.0
        for name, (said, other, _) in zip(option.symbols(), parts, strict=True):
            text, chance = text.replace(f"{{{name}}}", said, 1), chance * other
        names = tuple(name for part in parts for name in part[2])
        if len(set(names)) == len(names):
            yield text, chance, names


def sentences(rules: Rules, values: Mapping[str, str]) -> dict[str, float]:
    """Sentence → its share among those that say every value once."""
    found: dict[str, float] = defaultdict(float)
    for text, weight, said in expansions(rules, "query", values):
        if sorted(said) == sorted(values):
            found[re.sub(r" +(,|$)", r"\1", " ".join(text.split())).lstrip(", ")] += weight
    return {text: weight / sum(found.values()) for text, weight in found.items()}


@pytest.mark.parametrize(
    ("rules", "line", "message"),
    [
        ("query: ['{artist} {arist}']", 3, "unknown symbol {arist}"),
        ("query: ['{book}']", 3, "unknown symbol {book}"),
        ("query: ['{keyword}']", 3, "unknown symbol {keyword}"),
        ("query: ['{Action}']", 3, "unknown symbol {Action}"),
        ("query: [x]\n  artist: [y]", 4, "belongs to a value of the sample"),
        ("query:\n  - x\n  - text: y\n    when:\n      artist: '(a'", 7, "not a regular expression"),
        ("query:\n  - x\n  - text: y\n    when:\n      book: a", 7, "unknown argument 'book'"),
        ("query: [{text: x, when: {year: 1987}}]", 3, "valid string"),
        ("query: ['{a}']\n  a: ['{query}']", 3, "contains itself"),
    ],
)
def test_faulty_frames_are_named_by_line_and_reason(
    write_prompt: WritePrompt, rules: str, line: int, message: str
) -> None:
    path = write_prompt("heuristic/a.yaml", f"functions: [play]\nrules:\n  {rules}")
    with pytest.raises(PromptError) as caught:
        load_grammar(path, "heuristic/a", frozenset({"Action"}), ARGUMENTS)
    assert any(f.line == line and message in f.message for f in caught.value.faults), caught.value.faults


@pytest.mark.parametrize("functions", ["[]", "[play, search]", "[search]"])
def test_grammar_is_of_frames_only_if_all_its_functions_have_spoken_arguments(
    write_prompt: WritePrompt, functions: str
) -> None:
    path = write_prompt("heuristic/a.yaml", f"functions: {functions}\nrules:\n  query: ['{{keyword}}']")
    assert load_grammar(path, "heuristic/a", frozenset(), ARGUMENTS).argument_names == frozenset()
    write_prompt("heuristic/a.yaml", f"functions: {functions}\nrules:\n  query: ['{{artist}}']")
    with pytest.raises(PromptError, match="unknown symbol"):
        load_grammar(path, "heuristic/a", frozenset(), ARGUMENTS)


def test_conditions_are_refused_where_there_are_no_arguments(write_prompt: WritePrompt) -> None:
    path = write_prompt("heuristic/a.yaml", "rules:\n  query: [{text: x, when: {artist: a}}]")
    with pytest.raises(PromptError, match="unknown argument"):
        load_grammar(path, "heuristic/a", frozenset(), ARGUMENTS)


def test_frames_of_several_functions_know_the_arguments_of_all(make_frames: MakeFrames) -> None:
    grammar = make_frames({"query": ["{book}", "{track}"]}, ("play", "rate"))
    assert grammar.argument_names == {"artist", "track", "year", "book"}
    assert grammar.say(ANY, {"book": "Emma"}, 1, any_of) == ("Emma", 1)


def test_library_hands_the_arguments_to_its_grammars(write_prompt: WritePrompt) -> None:
    path = write_prompt("heuristic/a.yaml", "functions: [play]\nrules:\n  query: ['{artist}']")
    library = PromptLibrary.load([path.parents[1]], (), arguments=ARGUMENTS)
    grammar = library.prompts["heuristic/a"]
    assert isinstance(grammar, Grammar)
    assert grammar.argument_names == ARGUMENTS["play"]


@pytest.mark.parametrize("year", ["1987", "80s"])
@pytest.mark.parametrize("names", [n for size in range(4) for n in itertools.combinations(NAMES, size)])
def test_sentences_are_drawn_as_often_as_their_expansions_weigh(
    make_frames: MakeFrames, names: tuple[str, ...], year: str
) -> None:
    grammar = make_frames(TINY)
    values = {name: ({**VALUES, "year": year})[name] for name in names}
    expected = sentences(read(TINY), values)
    counts = Counter(grammar.say(ANY, values, seed, any_of)[0] for seed in range(3_000))
    assert set(counts) <= set(expected)
    if len(expected) > 1:
        drawn = [counts[text] for text in expected]
        assert chisquare(drawn, [3_000 * share for share in expected.values()]).pvalue > 1e-4


texts = st.lists(st.sampled_from(["x", "{artist}", "{track}", "{year}", "{one}", "{two}"]), max_size=3).map(" ".join)
conditions = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", ".*", "A.*", r"\d+", "[^A]+"]), max_size=1)


def rule_lists(banned: tuple[str, ...]) -> st.SearchStrategy[list[Weighted]]:
    """Alternatives that do not use the ``banned`` rules, so that no rule contains itself."""
    allowed = texts.filter(lambda text: not any(name in text for name in banned))
    option = st.builds(Weighted, text=allowed, weight=st.sampled_from([0.1, 1.0, 7.0]), when=conditions)
    return st.lists(option, min_size=1, max_size=4)


@given(
    rules=st.fixed_dictionaries(
        {"query": rule_lists(()), "one": rule_lists(("one",)), "two": rule_lists(("one", "two"))}
    ),
    present=st.sets(st.sampled_from(NAMES)),
)
def test_what_some_expansion_says_can_always_be_drawn_and_nothing_else(rules: Rules, present: set[str]) -> None:
    values = {name: VALUES[name] for name in sorted(present)}
    total = sum(w for _, w, said in expansions(rules, "query", values) if sorted(said) == sorted(values))
    draw = Frames(rules, frozenset(NAMES)).prepare("query", values)
    assert (draw is not None) == (total > 0)
    if draw is not None:
        rng = random.Random(7)
        assert {draw.say(rng) for _ in range(5)} <= set(sentences(rules, values))


@given(value=st.text(min_size=1))
@example(".38 Special")
@example("a  b , c")
@example("{year} {artist}")
@example(r"\1 \g<0>")
@example("a new a song")
def test_values_stand_as_they_are(value: str) -> None:
    rules = read({"query": ["play  {artist} , a new {thing} !"], "thing": ["{track}"]})
    draw = Frames(rules, frozenset(NAMES)).prepare("query", {"artist": value, "track": value})
    assert draw is not None
    assert draw.say(random.Random(0)) == f"play {value}, a new {value}!"


def test_article_is_put_before_an_argument_or_a_rule(make_frames: MakeFrames) -> None:
    grammar = make_frames({"query": ["{a:artist} with {a:thing}"], "thing": ["old {track}", ""]})
    assert grammar.say(ANY, {"artist": "icon", "track": "kite"}, 1, any_of) == ("an icon with an old kite", 1)
    assert grammar.say(ANY, {"artist": "lights", "track": "kites"}, 1, any_of) == ("lights with old kites", 1)


def test_an_article_after_a_new_is_dropped(make_frames: MakeFrames) -> None:
    grammar = make_frames({"query": ["a new {thing}"], "thing": ["{a:track}"]})
    assert grammar.say(ANY, {"track": "tune"}, 1, any_of) == ("a new tune", 1)


def test_condition_keeps_a_text_for_its_values(make_frames: MakeFrames) -> None:
    rules = {
        "query": [
            {"text": "in {year}", "when": {"year": r"\d+"}},
            {"text": "in the {year}", "when": {"year": "(?i)[a-z]+"}},
            {"text": "any {track}", "when": {"year": ""}},
        ]
    }
    grammar = make_frames(rules)
    assert grammar.say(ANY, {"year": "1987"}, 1, any_of)[0] == "in 1987"
    assert grammar.say(ANY, {"year": "Eighties"}, 1, any_of)[0] == "in the Eighties"
    assert grammar.say(ANY, {"year": "80s"}, 1, any_of) == (None, 0)
    assert grammar.say(ANY, {"track": "tune"}, 1, any_of)[0] == "any tune"


def test_arguments_that_the_phrasing_cannot_say_together_cost_no_draw(make_frames: MakeFrames) -> None:
    grammar = make_frames({"question": ["who is {artist}?"], "imperative": ["play {track} by {artist}"]})
    asked: list[str] = []
    for phrasing, values in (("question", VALUES), ("fragment", {"artist": "x"}), ("question", {"book": "Emma"})):
        assert grammar.say(phrasing, values, 1, lambda text: bool(asked.append(text))) == (None, 0)
    assert asked == []


def test_same_seed_gives_the_same_sentence(make_frames: MakeFrames) -> None:
    said = [make_frames(TINY).say(ANY, VALUES, seed, any_of) for seed in range(40)]
    assert said == [make_frames(TINY).say(ANY, VALUES, seed, any_of) for seed in range(40)]
    assert len(set(said)) > 4


def test_draws_go_on_until_a_sentence_fits_and_end(make_frames: MakeFrames) -> None:
    grammar = make_frames(TINY)
    query, tries = grammar.say(ANY, VALUES, 3, lambda text: text.startswith("of 1987 by"))
    assert query == "of 1987 by Ada Quill, Nine Lamps"
    assert 1 < tries <= MAX_TRIES
    assert grammar.say(ANY, VALUES, 3, lambda _: False) == (None, MAX_TRIES)


def test_literal_texts_are_what_stands_around_the_symbols(make_frames: MakeFrames) -> None:
    grammar = make_frames({"query": ["play {artist}'s {a:thing}, please", "play {track}"], "thing": ["", "song"]})
    assert grammar.literal_texts() == ("play", ", please", "song")
