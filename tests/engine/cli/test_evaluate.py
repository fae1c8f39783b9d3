import base64
import importlib.util
import json

import pytest
import typer
from fakes.endpoint import FakeEndpoint, Reply, serve_in_thread
from typer.testing import CliRunner

from routenator.engine.cli.evaluate import evaluate
from routenator.engine.errors import InputError, RunError, WrongModelError

FUNCTIONS = [
    {
        "type": "function",
        "function": {
            "name": "search",
            "parameters": {
                "type": "object",
                "properties": {"type": {"type": "string"}, "text": {"type": "string"}, "count": {"type": "integer"}},
            },
        },
    },
    {"name": "rate", "parameters": {"type": "object", "properties": {"stars": {"type": "integer"}}}},
]
ROWS = [
    {"id": "a", "query": "find a cat", "function": "search", "args": {"type": "icon", "text": "cat"}},
    {"id": "b", "query": "five stars", "function": "rate", "args": {"stars": "5"}},
    {"id": "c", "query": "good morning", "function": None},
    {"id": "d", "query": "find <script>alert(1)</script>", "function": "search", "args": {"text": "<script>"}},
]
RIGHT = {
    "find a cat": {"name": "search", "arguments": {"type": "Icon", "text": "the cat"}},
    "five stars": {"name": "rate", "arguments": {"stars": 5}},
    "good morning": "Good morning to you.",
    "find <script>alert(1)</script>": {"name": "search", "arguments": {"text": "<script>"}},
}


@pytest.fixture
def app():
    application = typer.Typer()
    application.command()(evaluate)
    return application


def make_answer(answers):
    """Answers by query; a dictionary as a tool call where tools were sent, as text elsewhere."""

    def answer(body):
        content = body["messages"][-1]["content"]
        said = next(value for query, value in answers.items() if query in content)
        if isinstance(said, Reply):
            return said
        if isinstance(said, str) or "tools" not in body:
            return Reply.text(said if isinstance(said, str) else json.dumps(said))
        function = {"name": said["name"], "arguments": json.dumps(said["arguments"])}
        message = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return Reply(body={"model": None, "choices": [choice], "usage": {"completion_tokens": 9}})

    return answer


def write_inputs(folder, fake, rows=ROWS):
    (folder / "golden.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "functions.json").write_text(json.dumps(FUNCTIONS))
    (folder / "endpoints.yaml").write_text(
        f"endpoints:\n  tuned: {{base_url: '{fake.base_url}', model: fake, max_retries: 0, timeout_s: 5}}\n"
        "roles: {text: tuned}\n"
    )


def run(app, folder, *more, model=(), fake=None, out="out"):
    arguments = [*model, "--endpoints", folder / "endpoints.yaml", "--golden", folder / "golden.jsonl"]
    arguments += ["--functions", folder / "functions.json", "--out", folder / out, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def evaluate_answers(app, folder, answers, *more, out="out", **options):
    with serve_in_thread(FakeEndpoint(answer=make_answer(answers))) as fake:
        write_inputs(folder, fake)
        return run(app, folder, *more, out=out, **options), fake.requests


def results(folder, out="out"):
    return json.loads((folder / out / "results.json").read_text())


def test_a_perfect_endpoint_is_measured_through_its_tools(app, tmp_path):
    result, requests = evaluate_answers(app, tmp_path, RIGHT, "--category-argument", "type", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    figures = {name: entry["value"] for name, entry in record["metrics"].items()}
    assert figures.pop("ss") is figures.pop("ss_golden") is None  # no argument is declared free text
    assert figures.pop("ast_match") == 0.75  # it does not pass over an article, exact match does
    assert set(figures.values()) == {1.0}
    assert record["rows_per_s"] > 0 and record["tokens_per_s"] > 0
    assert record == results(tmp_path)
    assert all(request.body["tools"][1]["function"]["name"] == "rate" for request in requests)
    assert all(request.body["temperature"] == 0 for request in requests)
    assert (tmp_path / "out" / "errors.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("none", "five stars"),
        ("signatures", "<<question>> five stars\n<<function>> search(type, text, count) rate(stars)"),
        ("schemas", '<<question>> five stars\n<<function>> [{"name":"search"'),
    ],
)
def test_functions_are_told_in_the_prompt_as_in_training(app, tmp_path, style, said):
    result, requests = evaluate_answers(app, tmp_path, RIGHT, "--tools-in-prompt", style)
    assert result.exit_code == 0, result.output
    contents = [request.body["messages"][-1]["content"] for request in requests]
    assert any(content.startswith(said) for content in contents)
    assert not any("tools" in request.body for request in requests)
    assert results(tmp_path)["metrics"]["exact_match"]["value"] == 1


def test_errors_are_kept_sorted_and_the_page_escapes_them(app, tmp_path):
    wrong = {
        **RIGHT,
        "five stars": "I do not know.",
        "good morning": '{"name": "search", "arg',
        "find <script>alert(1)</script>": {"name": "rate", "arguments": {"stars": "<img src=x onerror=y>"}},
    }
    result, _ = evaluate_answers(app, tmp_path, wrong)
    assert result.exit_code == 0, result.output
    lines = (tmp_path / "out" / "errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["unreadable", "missed_call", "wrong_function"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;script&gt;" in page
    assert not {"<script", "<img src=x", "http://", "https://"} & {part for part in PARTS if part in page}


PARTS = ("<script", "<img src=x", "http://", "https://")


def test_the_picture_is_there_with_matplotlib_and_the_page_says_so_without(app, tmp_path):
    evaluate_answers(app, tmp_path, RIGHT)
    page = (tmp_path / "out" / "report.html").read_text()
    if importlib.util.find_spec("matplotlib") is None:
        assert "pip install" in page
        assert not (tmp_path / "out" / "confusion.png").exists()
    else:
        picture = (tmp_path / "out" / "confusion.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert base64.b64encode(picture).decode() in page


def test_the_same_command_goes_on_and_asks_only_what_is_missing(app, tmp_path):
    broken = {**RIGHT, "five stars": Reply.status(400, "too long")}
    first, _ = evaluate_answers(app, tmp_path, broken)
    assert first.exit_code == 1
    assert "1 rows got no answer" in first.output
    assert results(tmp_path)["errors"] == {"no_answer": 1}
    second, requests = evaluate_answers(app, tmp_path, RIGHT)
    assert second.exit_code == 0, second.output
    assert "3 of 4 rows are answered already" in second.output
    assert [request.body["messages"][0]["content"] for request in requests] == ["five stars"]


def test_a_limit_can_be_raised_later(app, tmp_path):
    _, requests = evaluate_answers(app, tmp_path, RIGHT, "--limit", "1")
    assert len(requests) == 1
    assert results(tmp_path)["rows"] == 1
    _, requests = evaluate_answers(app, tmp_path, RIGHT)
    assert len(requests) == 3
    assert results(tmp_path)["rows"] == 4


def test_two_models_are_compared_on_the_same_rows(app, tmp_path):
    evaluate_answers(app, tmp_path, dict.fromkeys(RIGHT, "no idea"), out="before")
    result, _ = evaluate_answers(app, tmp_path, RIGHT, "--compare", tmp_path / "before")
    assert result.exit_code == 0, result.output
    comparison = results(tmp_path)["comparison"]
    assert comparison["other"] == "tuned"
    assert comparison["metrics"]["exact_match"] == 0.25
    assert comparison["differences"]["exact_match"]["value"] == 0.75
    assert "Beside tuned" in (tmp_path / "out" / "report.html").read_text()


def test_evaluations_of_different_golden_sets_are_not_compared(app, tmp_path):
    with serve_in_thread(FakeEndpoint(answer=make_answer(RIGHT))) as fake:
        write_inputs(tmp_path, fake, ROWS[:2])
        run(app, tmp_path, out="before")
        write_inputs(tmp_path, fake)
        result = run(app, tmp_path, "--compare", tmp_path / "before")
        asked = len(fake.requests)
    assert isinstance(result.exception, InputError)
    assert "another golden set" in str(result.exception)
    assert asked == 2


def test_an_endpoint_that_is_not_there_is_said_at_once(app, tmp_path):
    fake = FakeEndpoint(port=1)  # nobody listens there
    write_inputs(tmp_path, fake)
    result = run(app, tmp_path)
    assert "no connection" in str(result.exception)
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_server_that_takes_no_tools_is_said_and_nothing_is_measured(app, tmp_path):
    result, requests = evaluate_answers(app, tmp_path, dict.fromkeys(RIGHT, Reply.status(400, "no tool parser")))
    assert "no tool parser" in result.exception.what
    assert "--enable-auto-tool-choice" in result.exception.hint
    assert len(requests) == 3
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_wrong_model_name_ends_it(app, tmp_path):
    with serve_in_thread(FakeEndpoint(answer=make_answer(RIGHT), model="other")) as fake:
        write_inputs(tmp_path, fake)
        result = run(app, tmp_path)
    assert isinstance(result.exception, WrongModelError)


def test_a_cut_off_call_and_an_empty_answer_are_the_models_own(app, tmp_path):
    poor = {**RIGHT, "five stars": Reply.text('{"name": "ra', "length"), "find a cat": Reply.text("")}
    result, _ = evaluate_answers(app, tmp_path, poor)
    assert result.exit_code == 0, result.output
    assert results(tmp_path)["errors"] == {"unreadable": 1, "missed_call": 1}


def test_functions_that_the_model_is_not_told_of_are_named(app, tmp_path):
    with serve_in_thread(FakeEndpoint(answer=make_answer(RIGHT))) as fake:
        write_inputs(tmp_path, fake)
        (tmp_path / "functions.json").write_text(json.dumps(FUNCTIONS[:1]))
        result = run(app, tmp_path)
    assert "1 functions of the golden set are not among the 1 given: rate" in result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--endpoints", "nosuch.yaml"), "nosuch.yaml"),
        (("--golden", "nosuch.jsonl"), "cannot be read"),
        (("--functions", "nosuch.json"), "cannot be read"),
        (("--category-argument", "colour"), "no function has an argument colour"),
        (("--pack", "design"), "a pack names its own functions"),
        (("--compare", "nosuch"), "cannot be read"),
    ],
)
def test_wrong_input_is_said_before_anything_is_asked(app, tmp_path, change, words):
    with serve_in_thread(FakeEndpoint(answer=make_answer(RIGHT))) as fake:
        write_inputs(tmp_path, fake)
        result = run(app, tmp_path, *change)
    assert result.exit_code
    assert words in result.output + str(result.exception)
    assert fake.requests == []


def test_a_folder_of_something_else_and_a_file_are_left_alone(app, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("mine")
    result, requests = evaluate_answers(app, tmp_path, RIGHT)
    assert "holds something else than an evaluation" in str(result.exception)
    result, _ = evaluate_answers(app, tmp_path, RIGHT, out="golden.jsonl/x")
    assert "is a file, not a folder" in str(result.exception)
    assert (tmp_path / "out" / "report.html").read_text() == "mine"
    assert requests == []


def test_an_unknown_endpoint_is_answered_with_the_names_there_are(app, tmp_path):
    write_inputs(tmp_path, FakeEndpoint())
    result = run(app, tmp_path, model=("judge",))
    assert "Name one of: tuned, text" in str(result.exception)


def test_neither_model_nor_endpoint_is_a_usage_error(app, tmp_path):
    write_inputs(tmp_path, FakeEndpoint())
    result = CliRunner().invoke(app, ["--golden", str(tmp_path / "golden.jsonl")])
    assert result.exit_code == 2


def test_a_local_model_without_functions_says_what_to_give(app, tmp_path):
    write_inputs(tmp_path, FakeEndpoint())
    result = CliRunner().invoke(app, ["models/demo", "--golden", str(tmp_path / "golden.jsonl")])
    assert "--pack NAME, or --functions FILE" in str(result.exception)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed here")
def test_a_local_model_without_torch_says_what_to_install(app, tmp_path):
    write_inputs(tmp_path, FakeEndpoint())
    arguments = ["models/demo", "--golden", tmp_path / "golden.jsonl", "--functions", tmp_path / "functions.json"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, RunError)
    assert "torch" in result.exception.what
