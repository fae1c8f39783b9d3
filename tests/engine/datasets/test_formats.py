import json

import pytest

from routenator.engine.datasets.formats import FORMATS, export_dataset


def written(rows, tools, name, folder):
    count, files = export_dataset(rows, tools, FORMATS[name], folder / FORMATS[name].file_name)
    assert count == len(rows)
    return [[json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files]


def test_openai_chat_answers_with_one_call_of_a_tool_that_is_listed(rows, tools, tmp_path):
    (lines,) = written(rows, tools, "openai-chat", tmp_path)
    for row, line in zip(rows[:40], lines, strict=False):
        user, assistant = line["messages"]
        (call,) = assistant["tool_calls"]
        assert (user["role"], user["content"]) == ("user", row.query)
        assert (assistant["role"], call["type"]) == ("assistant", "function")
        assert call["function"]["name"] in {tool["function"]["name"] for tool in line["tools"]}
        assert json.loads(call["function"]["arguments"]) == row.arguments
    assert len({line["messages"][1]["tool_calls"][0]["id"] for line in lines}) == len(rows)


def test_sharegpt_alternates_human_and_function_call(rows, tools, tmp_path):
    (lines,) = written(rows, tools, "sharegpt", tmp_path)
    turns = lines[0]["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "function_call"]
    assert json.loads(turns[1]["value"]) == {"name": rows[0].function, "arguments": rows[0].arguments}
    assert [tool["name"] for tool in json.loads(lines[0]["tools"])] == [tool["function"]["name"] for tool in tools]


def test_trl_parts_the_prompt_from_the_call(rows, tools, tmp_path):
    (lines,) = written(rows, tools, "trl", tmp_path)
    assert lines[0]["prompt"] == [{"role": "user", "content": rows[0].query}]
    assert lines[0]["completion"][0]["tool_calls"][0]["function"]["arguments"] == rows[0].arguments
    assert json.loads(lines[0]["tools"]) == tools


def test_bfcl_keeps_answers_apart_under_the_same_ids(rows, tools, tmp_path):
    questions, answers = written(rows, tools, "bfcl", tmp_path)
    assert [q["id"] for q in questions] == [a["id"] for a in answers]
    assert questions[0]["id"] == "multiple_0"
    assert questions[0]["question"] == [[{"role": "user", "content": rows[0].query}]]
    assert {f["parameters"]["type"] for f in questions[0]["function"]} == {"dict"}
    assert answers[0]["ground_truth"] == [{rows[0].function: {k: [v] for k, v in rows[0].arguments.items()}}]


def test_bfcl_of_one_function_is_of_category_simple(rows, tools, tmp_path):
    questions, _ = written(rows[:1], tools[:1], "bfcl", tmp_path)
    assert questions[0]["id"] == "simple_python_0"


def test_bfcl_types_are_renamed_at_any_depth_and_properties_of_that_name_are_not(rows, tmp_path):
    parameters = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["object", "number"]},
            "size": {"type": "array", "items": {"type": "number"}},
        },
    }
    tool = {"type": "function", "function": {"name": "search", "description": "", "parameters": parameters}}
    questions, _ = written(rows[:1], [tool], "bfcl", tmp_path)
    assert questions[0]["function"][0]["parameters"] == {
        "type": "dict",
        "properties": {
            "type": {"type": "string", "enum": ["object", "number"]},
            "size": {"type": "array", "items": {"type": "float"}},
        },
    }


def test_a_hostile_query_stays_one_line_of_strict_json(rows, tools, tmp_path):
    for name in FORMATS:
        for lines in written(rows, tools, name, tmp_path):
            assert len(lines) == len(rows)


@pytest.mark.parametrize("name", ["openai-chat", "sharegpt", "trl"])
def test_datasets_loads_the_format(rows, make_row, tools, tmp_path, monkeypatch, name):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    other = make_row(99, arguments={"colour": "blue"})
    written([*rows, other], tools, name, tmp_path)
    path = tmp_path / FORMATS[name].file_name
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(rows) + 1
    if name == "trl":
        calls = [row["completion"][0]["tool_calls"][0]["function"]["arguments"] for row in loaded]
        # Arguments of one function are not filled with the nulls of another's.
        assert calls[0] == rows[0].arguments
        assert calls[-1] == {"colour": "blue"}


CHAT_TEMPLATE = (
    "{% for tool in tools %}<tool>{{ tool.function.name }}</tool>{% endfor %}"
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<call>{{ call.function.name }} {{ call.function.arguments | tojson }}"
    "</call>{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_trl_recognises_the_rows_and_renders_prompt_and_completion(rows, tools, tmp_path, monkeypatch):
    trl = pytest.importorskip("trl", reason="trl, which brings torch, is installed by hand: see docs/datasets.md")
    tokenizers = pytest.importorskip("tokenizers")
    datasets, transformers = pytest.importorskip("datasets"), pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    written(rows, tools, "trl", tmp_path)
    loaded = datasets.load_dataset("json", data_files=str(tmp_path / "trl.jsonl"), split="train")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()))
    tokenizer.chat_template = CHAT_TEMPLATE
    assert all(trl.data_utils.is_conversational(example) for example in loaded)
    rendered = trl.apply_chat_template(
        {name: loaded[0][name] for name in ("prompt", "completion")}, tokenizer, tools=json.loads(loaded[0]["tools"])
    )
    names = "".join(f"<tool>{tool['function']['name']}</tool>" for tool in tools)
    assert rendered["prompt"] == f"{names}<user>{rows[0].query}<assistant>"
    call = rendered["completion"].removeprefix("<call>").removesuffix("</call>")
    name, arguments = call.split(" ", 1)
    assert (name, json.loads(arguments)) == (rows[0].function, rows[0].arguments)


def test_bfcl_checker_accepts_the_label_and_refuses_another(rows, tools, tmp_path):
    pytest.importorskip("bfcl_eval", reason="bfcl-eval is installed by hand: see docs/datasets.md")
    checker = pytest.importorskip("bfcl_eval.eval_checker.ast_eval.ast_checker", exc_type=ImportError)
    from bfcl_eval.constants.enums import Language

    questions, answers = written(rows[:40], tools, "bfcl", tmp_path)
    for row, question, answer in zip(rows, questions, answers, strict=False):
        right = [{row.function: dict(row.arguments)}]
        wrong = [{row.function: {**row.arguments, "prompt": "something else"}}]
        verdicts = [
            checker.ast_checker(
                question["function"], call, answer["ground_truth"], Language.PYTHON, "multiple", "gpt-4o-2024-11-20-FC"
            )["valid"]
            for call in (right, wrong)
        ]
        assert verdicts == [True, False]
