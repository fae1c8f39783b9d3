import json

import pytest
from jinja2 import Template

from routenator.engine.errors import InputError
from routenator.engine.training.examples import TrainRow, draw_rows, load_rows, split_rows, tokenize_rows
from routenator.engine.training.prompts import GORILLA_TEMPLATE, CallPrompter, adopt_template

TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"properties": {"kind": {}, "text": {}}}}}]


class LetterTokenizer:
    """A token for each character; a chat template in plain words, which knows no tools."""

    chat_template = "{{ messages }}"
    eos_token = "$"

    def apply_chat_template(self, conversation, **options):
        template = options.get("chat_template", self.chat_template)
        if template == GORILLA_TEMPLATE:
            return Template(template).render(messages=conversation, eos_token="$", **options)
        turns = "".join(f"<{turn['role']}>{turn['content']}" for turn in conversation)
        return turns + ("<assistant>" if options.get("add_generation_prompt") else "")

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens, "the prompt holds them already"
        return {"input_ids": [ord(letter) for letter in text]}


class ToolTokenizer(LetterTokenizer):
    """A chat template that writes tools and calls itself."""

    chat_template = "{{ messages }} {{ tools }}"

    def apply_chat_template(self, conversation, **options):
        text = f"[{len(options.get('tools') or ())} tools]"
        for turn in conversation:
            text += f"<{turn['role']}>{turn['content']}"
            text += "".join(f"CALL {call['function']['name']}" for call in turn.get("tool_calls", ()))
        return text + ("<assistant>" if options.get("add_generation_prompt") else "$\n")


def text_of(ids):
    return "".join(map(chr, ids))


def test_only_the_call_is_learnt():
    tokenizer = LetterTokenizer()
    prompter = CallPrompter(tokenizer, TOOLS, "none")
    rows = [TrainRow("cat icon", "search", {"kind": "icon", "text": "cat"})]
    found = tokenize_rows(rows, prompter, tokenizer, 200)
    [ids], [labels] = found.input_ids, found.labels
    prompt = len("<user>cat icon<assistant>")
    assert labels[:prompt] == [-100] * prompt
    assert labels[prompt:] == ids[prompt:]
    answer = text_of(ids[prompt:])
    assert answer.endswith("$")
    assert json.loads(answer[:-1]) == {"name": "search", "arguments": {"kind": "icon", "text": "cat"}}


def test_rows_that_are_too_long_are_left_out_and_counted():
    tokenizer = LetterTokenizer()
    rows = [TrainRow("cat", "search", {}), TrainRow("cat " * 100, "search", {})]
    found = tokenize_rows(rows, CallPrompter(tokenizer, TOOLS, "none"), tokenizer, 100)
    assert (len(found.input_ids), found.too_long) == (1, 1)


def test_functions_are_written_into_the_prompt_as_far_as_it_is_asked_for():
    tokenizer = LetterTokenizer()
    assert "search(kind, text)" in CallPrompter(tokenizer, TOOLS, "signatures").prompt("cat")
    assert '"parameters"' in CallPrompter(tokenizer, TOOLS, "schemas").prompt("cat")
    assert "search" not in CallPrompter(tokenizer, TOOLS, "none").prompt("cat")


def test_a_model_without_chat_template_is_asked_as_gorilla_asks():
    tokenizer = LetterTokenizer()
    tokenizer.chat_template = None
    prompt = CallPrompter(tokenizer, TOOLS, "schemas").prompt("cat")
    assert prompt.startswith("USER: <<question>> cat")
    assert "<<function>>" in prompt
    assert prompt.endswith("\nASSISTANT: ")


def test_a_model_whose_template_takes_no_tools_learns_the_turns_of_gorilla():
    tokenizer, own = LetterTokenizer(), ToolTokenizer()
    for changed in (tokenizer, own):
        adopt_template(changed)
    assert own.chat_template == ToolTokenizer.chat_template
    prompter = CallPrompter(tokenizer, TOOLS, "none")
    assert prompter.prompt("cat") == "USER: cat\nASSISTANT: "
    call = prompter.completion("cat", "search", {})
    turns = [{"role": "user", "content": "cat"}, {"role": "assistant", "content": call[:-1]}]
    assert tokenizer.apply_chat_template(turns) == f"USER: cat\nASSISTANT: {call}\n"


def test_a_template_with_tools_writes_functions_and_calls_itself():
    prompter = CallPrompter(ToolTokenizer(), TOOLS, "schemas")
    assert prompter.uses_own_tools
    assert prompter.prompt("cat") == "[1 tools]<user>cat<assistant>"
    assert prompter.completion("cat", "search", {}) == "CALL search$"


def test_the_split_keeps_a_query_on_one_side_and_does_not_move_it():
    rows = [TrainRow(f"query {n % 60}", "search", {"n": n}) for n in range(120)]
    train, validation = split_rows(rows, 0.25, seed=3)
    assert len(train) + len(validation) == 120
    assert {row.query for row in train}.isdisjoint(row.query for row in validation)
    assert 5 <= len(validation) <= 55
    more = [*rows, TrainRow("new", "search", {})]
    assert set(map(id, split_rows(more, 0.25, seed=3)[1])) >= set(map(id, validation))
    assert split_rows(rows, 0.0, seed=3)[1] == ()


def test_a_number_of_rows_is_drawn_by_the_seed_and_stays_nearly_the_same_when_rows_are_added():
    rows = [TrainRow(f"query {number}", "search", {}) for number in range(400)]
    drawn = draw_rows(rows, 300, seed=3)
    assert len(drawn) == 300 and list(drawn) == [row for row in rows if row in drawn], "in the order of the rows"
    assert draw_rows(rows[:200], 300, seed=3) == tuple(rows[:200])
    assert draw_rows(rows, 300, seed=4) != drawn
    grown = draw_rows([*rows, TrainRow("one more", "search", {})], 300, seed=3)
    assert len(set(map(id, grown)) & set(map(id, drawn))) >= 299
    _, validation = split_rows(drawn, 0.25, seed=3)
    assert 50 < len(validation) < 100, "what is drawn is split as if it were all"


def test_rows_of_a_run_and_of_a_golden_file_are_read(tmp_path):
    run = tmp_path / "run"
    (run / "dataset").mkdir(parents=True)
    line = {"query": "cat", "function": "search", "arguments": '{"kind": "icon"}', "route": "text"}
    (run / "dataset" / "dataset.jsonl").write_text(json.dumps(line))
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"query": "cat", "function": "search", "args": {"kind": "icon"}}\n\n')
    assert load_rows(run) == load_rows(golden) == (TrainRow("cat", "search", {"kind": "icon"}),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("no json", "rows.jsonl:1"),
        ('{"query": "x", "function": null, "args": {}}', "texts query and function"),
        ('{"query": "x", "function": "f", "arguments": "{"}', "no JSON"),
    ],
)
def test_a_file_that_holds_no_rows_is_the_users_mistake(tmp_path, text, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_rows(path)


def test_a_run_without_a_dataset_is_the_users_mistake(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_rows(tmp_path)
