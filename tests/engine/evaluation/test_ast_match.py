import copy
import importlib.util
import json
import random
import sys
import types
from pathlib import Path

import pytest

from routenator.engine.evaluation.ast_match import PossibleCall, matches, possible_call
from routenator.engine.evaluation.calls import Call

SCHEMA = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "weight": {"type": "number"},
        "title": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object"},
    },
    "required": ["title"],
}


def right(arguments, **possible):
    return matches(Call("rate", arguments), PossibleCall("rate", possible), SCHEMA)


def test_a_value_is_one_of_those_listed_whatever_its_spelling():
    assert right({"title": "new york, ny"}, title=["New York NY", "NYC"])
    assert not right({"title": "Boston"}, title=["New York NY", "NYC"])


def test_types_are_those_of_the_schema():
    assert right({"title": "x", "size": 5}, title=["x"], size=[5])
    assert not right({"title": "x", "size": "5"}, title=["x"], size=[5])
    assert not right({"title": "x", "size": True}, title=["x"], size=[1])
    assert right({"title": "x", "weight": 5}, title=["x"], weight=[5.0])


def test_arguments_may_be_left_out_where_the_answer_says_so():
    assert right({"title": "x"}, title=["x"], size=["", 5])
    assert not right({"title": "x"}, title=["x"], size=[5])
    assert not right({"size": 5}, title=["", "x"], size=[5])  # the schema requires it
    assert not right({"title": "x", "size": 5}, title=["x"])  # nobody asked for it


def test_lists_keep_their_order_and_objects_their_keys():
    assert right({"title": "x", "tags": ["A", "b"]}, title=["x"], tags=[["a", "B"]])
    assert not right({"title": "x", "tags": ["b", "a"]}, title=["x"], tags=[["a", "b"]])
    place = {"city": ["Oslo"], "zip": ["", "0150"]}
    assert right({"title": "x", "place": {"city": "oslo"}}, title=["x"], place=[place])
    assert not right({"title": "x", "place": {"zip": "0150"}}, title=["x"], place=[place])


def test_another_function_is_wrong():
    assert not matches(Call("play", {"title": "x"}), PossibleCall("rate", {"title": ["x"]}), SCHEMA)


def test_golden_texts_become_what_the_schema_asks_for():
    golden = Call("rate", {"title": "It", "size": "5", "weight": "2.5", "tags": "a", "place": None})
    assert possible_call(golden, SCHEMA).arguments == {"title": ["It"], "size": [5], "weight": [2.5], "tags": [["a"]]}
    assert matches(
        Call("rate", {"title": "it", "size": 5}),
        possible_call(Call("rate", {"title": "It", "size": "5"}), SCHEMA),
        SCHEMA,
    )


# Against the leaderboard's own checker, on its own data.


@pytest.fixture(scope="module")
def bfcl():
    """``(ast_checker, data folder)``; its table of models, which imports every vendor's SDK, is stubbed."""
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or spec.origin is None:
        pytest.skip("bfcl-eval is not installed: pip install --no-deps bfcl-eval")
    stub = types.ModuleType("bfcl_eval.constants.model_config")
    stub.MODEL_CONFIG_MAPPING = {"any": types.SimpleNamespace(underscore_to_dot=False)}
    before = sys.modules.get(stub.__name__)
    sys.modules[stub.__name__] = stub
    try:
        checker = pytest.importorskip("bfcl_eval.eval_checker.ast_eval.ast_checker", exc_type=ImportError)
        yield checker.ast_checker, Path(spec.origin).parent / "data"
    finally:
        sys.modules.pop(stub.__name__)
        if before is not None:
            sys.modules[stub.__name__] = before


def first_right(possible, generator):
    """One of the values that are right; objects hold lists of their own."""
    value = generator.choice([each for each in possible if each != ""] or [""])
    if isinstance(value, dict):
        return {
            k: first_right(v, generator) for k, v in value.items() if isinstance(v, list) and any(e != "" for e in v)
        }
    if isinstance(value, list):
        return [
            {k: first_right(v, generator) for k, v in each.items() if isinstance(v, list)}
            if isinstance(each, dict)
            else each
            for each in value
        ]
    return value


def spoil(value, generator):
    """Something near ``value`` that is another value, another type, or only another spelling."""
    match value:
        case bool():
            return generator.choice([not value, str(value), int(value)])
        case int():
            return generator.choice([value + 1, str(value), float(value), -value, [value]])
        case float():
            return generator.choice([value + 0.5, str(value), int(value), {"x": value}])
        case str():
            return generator.choice([value.upper(), f" {value}. ", value + "x", value[:-1], 7, [value], ""])
        case list():
            rest = value[1:] or [1, "x"]
            return generator.choice(
                [list(reversed(value)), rest, [*value, *value[:1]], [], str(value), [map_text(v) for v in value]]
            )
        case dict():
            key = generator.choice(list(value) or ["x"])
            without = {k: v for k, v in value.items() if k != key}
            return generator.choice(
                [without, {**value, "new key": 1}, {**value, key: spoil(value.get(key, 0), generator)}, "x"]
            )
    return None


def map_text(value):
    return value.upper() if isinstance(value, str) else value


def variants(call, names, generator):
    """The right call, and calls that are wrong in one way each (or in spelling only, which is no fault)."""
    function, arguments = call
    yield function, arguments
    yield function, {}
    yield f"{function}_", arguments
    yield generator.choice(names), arguments
    yield function, {**arguments, "nobody_asked": 1}
    for name in arguments:
        yield function, {key: value for key, value in arguments.items() if key != name}
        for _ in range(3):
            yield function, {**arguments, name: spoil(copy.deepcopy(arguments[name]), generator)}


@pytest.mark.parametrize("category", ["simple_python", "multiple", "live_simple", "live_multiple"])
def test_verdicts_agree_with_the_checker_of_the_leaderboard(bfcl, category):
    from bfcl_eval.constants.enums import Language

    checker, data = bfcl
    seed = 4
    generator = random.Random(seed)
    questions = [json.loads(line) for line in (data / f"BFCL_v4_{category}.json").read_text("utf-8").splitlines()]
    answers = [
        json.loads(line)
        for line in (data / "possible_answer" / f"BFCL_v4_{category}.json").read_text("utf-8").splitlines()
    ]
    verdicts = {True: 0, False: 0}
    different = []
    for question, answer in list(zip(questions, answers, strict=True))[:300]:
        [[(function, possible)]] = [list(truth.items()) for truth in answer["ground_truth"]]
        functions = {each["name"]: each for each in question["function"]}
        values = {name: first_right(each, generator) for name, each in possible.items() if any(e != "" for e in each)}
        if generator.random() < 0.5:
            values = {name: value for name, value in values.items() if "" not in possible[name]}
        for called, arguments in variants((function, values), sorted(functions), generator):
            theirs = checker(
                question["function"], [{called: arguments}], answer["ground_truth"], Language.PYTHON, category, "any"
            )["valid"]
            ours = matches(Call(called, arguments), PossibleCall(function, possible), functions[function]["parameters"])
            verdicts[theirs] += 1
            if ours != theirs:
                different.append((question["id"], called, arguments, possible, "theirs", theirs))
    print(f"{category}, seed {seed}: {verdicts}, {len(different)} judged differently")
    assert verdicts[True] > 300 and verdicts[False] > 300
    assert different == []


OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "golden", "given", "right"),
    [
        (OBJECT, {"a": 1}, {"a": 1}, True),
        (OBJECT, {"a": "xy"}, {"a": "xy"}, True),
        (OBJECT, {"a": "xy"}, {"a": "x"}, False),
        (OBJECT, {"a": "xy"}, {"a": "xy", "b": 1}, False),
        ({}, {"a": "Xy"}, {"a": "xy"}, True),
        ({"type": "array", "items": OBJECT}, [{"a": "x"}, {"a": "y"}], [{"a": "x"}, {"a": "y"}], True),
        ({"type": "array", "items": OBJECT}, [{"a": "x"}, {"a": "y"}], [{"a": "x"}, {"a": "z"}], False),
        ({"type": {"odd": "schema"}}, "x", "x", True),
    ],
)
def test_golden_objects_are_compared_key_by_key(schema, golden, given, right):
    parameters = {"properties": {"o": schema}}
    possible = possible_call(Call("f", {"o": golden}), parameters)
    assert matches(Call("f", {"o": given}), possible, parameters) is right
