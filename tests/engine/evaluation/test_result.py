import json

import pytest

from routenator.engine.errors import InputError
from routenator.engine.evaluation.calls import Call
from routenator.engine.evaluation.golden import GoldenRow
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.predictions import Prediction, PredictionFile
from routenator.engine.evaluation.result import ERROR_KINDS, build_result, find_errors
from routenator.engine.evaluation.scores import Scoring, score_rows

CAT = Call("search", {"type": "icon", "text": "cat"})


def answer(number, value):
    return Prediction(str(number), value if isinstance(value, str) else json.dumps(value), seconds=0.5)


def judge(*cases):
    golden = [GoldenRow(str(n), query, call) for n, (query, call, _) in enumerate(cases)]
    predictions = [answer(n, given) for n, (_, _, given) in enumerate(cases)]
    replies = [prediction.parse() for prediction in predictions]
    errors = find_errors(golden, predictions, replies, ValueFolding())
    scores = score_rows(golden, replies, Scoring())
    return build_result(golden, predictions, scores, errors), errors


def call(name="search", **arguments):
    return {"name": name, "arguments": arguments}


def test_every_kind_of_error_is_told_apart_and_the_gravest_come_first():
    _, errors = judge(
        ("needless argument", CAT, call(type="icon", text="cat", size="big")),
        ("missing argument", CAT, call(text="cat")),
        ("wrong argument", CAT, call(type="photo", text="cat")),
        ("wrong function", CAT, call("make", type="icon")),
        ("several calls", CAT, [call(type="icon", text="cat"), call("make")]),
        ("needless call", None, call()),
        ("missed call", CAT, "I do not know."),
        ("cut off", CAT, '{"name": "sea'),
        ("right", CAT, call(text="Cat", type="icon")),
    )
    assert [error["kind"] for error in errors] == [kind for kind in ERROR_KINDS if kind != "no_answer"]
    assert {error["query"]: error["detail"] for error in errors}["wrong function"] == "search → make"


def test_an_answer_that_never_came_counts_as_wrong():
    golden = [GoldenRow("0", "cat", CAT)]
    prediction = Prediction("0", error="status 500")
    assert not prediction.parse().valid
    [error] = find_errors(golden, [prediction], [prediction.parse()], ValueFolding())
    assert (error["kind"], error["detail"]) == ("no_answer", "status 500")


def test_a_result_has_slices_confusion_and_speed():
    result, _ = judge(
        ("cat", CAT, call(type="icon", text="cat")),
        ("a very long query about one small and lovely cat", CAT, call("make")),
    )
    by_name = {part.value: part for part in result.slices}
    assert by_name["1-4 words"].metrics["exact_match"] == 1
    assert by_name["9-12 words"].metrics["exact_match"] == 0
    assert by_name["en"].rows == 2
    assert result.confusion == {"search": {"search": 1, "(another function)": 1}}
    assert result.rows_per_s == 2
    json.dumps(result.to_json())


def test_answers_survive_a_kill_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "answers.jsonl"
    PredictionFile(path, {"model": "a"}).append([answer(0, "x"), answer(1, "y")])
    with path.open("ab") as file:
        file.write(b'{"id": "2", "te')
    again = PredictionFile(path, {"model": "a"})
    assert sorted(again.answers) == ["0", "1"]
    again.append([answer(2, "z")])
    assert sorted(PredictionFile(path, {"model": "a"}).answers) == ["0", "1", "2"]


def test_rows_without_an_answer_are_asked_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    PredictionFile(path, {}).append([Prediction("0", error="status 500"), answer(1, "y")])
    assert list(PredictionFile(path, {}).answers) == ["1"]


@pytest.mark.parametrize(
    "content", ["no json\n", '{"identity": {}}\n{"id": 1\n', '{"identity": {}}\n{"a": 1}\n', "[]\n"]
)
def test_a_file_that_holds_no_answers_is_left_alone(tmp_path, content):
    path = tmp_path / "answers.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="is no file of answers"):
        PredictionFile(path, {})
    assert path.read_text() == content


def test_answers_of_another_model_are_not_mixed_in(tmp_path):
    path = tmp_path / "answers.jsonl"
    PredictionFile(path, {"model": "a", "golden_sha256": "1"}).append([answer(0, "x")])
    with pytest.raises(InputError, match="with other golden set and model"):
        PredictionFile(path, {"model": "b", "golden_sha256": "2"})


def test_a_file_without_an_answer_is_taken_over(tmp_path):
    path = tmp_path / "answers.jsonl"
    PredictionFile(path, {"tools_in_prompt": "api"}).append([Prediction("0", error="takes no tools")])
    PredictionFile(path, {"tools_in_prompt": "schemas"}).append([answer(0, "x")])
    assert list(PredictionFile(path, {"tools_in_prompt": "schemas"}).answers) == ["0"]


def test_answers_go_on_where_the_models_folder_was_moved_and_its_weights_are_the_same(tmp_path):
    path = tmp_path / "answers.jsonl"
    PredictionFile(path, {"model": "models/a/adapter", "weights": {"a.safetensors": "12"}}).append([answer(0, "x")])
    PredictionFile(path, {"model": str(tmp_path / "a" / "adapter"), "weights": {"a.safetensors": "12"}})
    with pytest.raises(InputError, match="with other weights"):
        PredictionFile(path, {"model": "models/a/adapter", "weights": {"a.safetensors": "13"}})
