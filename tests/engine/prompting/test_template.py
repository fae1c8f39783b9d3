"""Prompt files: front matter, sections, roles, few-shot turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.template import load_template

WritePrompt = Callable[..., Path]

SCHEMA = "schema: {type: object, properties: {query: {type: string}}, required: [query]}"
FEW_SHOT = f"""\
---
modality: text
examples: 2
{SCHEMA}
---
## system
Answer in JSON.

## user
{{{{ function }}}} {{{{ keyword }}}}

## assistant
{{{{ answer | tojson }}}}
"""


def faults_of(path: Path) -> tuple[Fault, ...]:
    with pytest.raises(PromptError) as caught:
        load_template(path)
    assert all(fault.file == str(path) for fault in caught.value.faults)
    return caught.value.faults


def test_messages_follow_the_sections(write_prompt: WritePrompt) -> None:
    content = f"---\nmodality: text\n{SCHEMA}\n---\n\n## system\nBe brief.\n## user\n{{{{ function }}}}\n"
    template = load_template(write_prompt("a.md", content), "text/a")
    assert template.name == "text/a"
    assert template.render({"function": "search"}) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "search"},
    ]


def test_few_shot_turns_stand_between_the_system_and_the_last_question(write_prompt: WritePrompt) -> None:
    template = load_template(write_prompt("a.md", FEW_SHOT))
    shown = [{"function": "search", "keyword": word, "answer": {"query": word}} for word in ("icon", "font")]
    messages = template.render({"function": "generate", "keyword": "logo"}, template.render_turns(shown))
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message["content"] for message in messages[1:]] == [
        "search icon",
        '{"query": "icon"}',
        "search font",
        '{"query": "font"}',
        "generate logo",
    ]


def test_few_shot_template_without_examples_asks_plainly(write_prompt: WritePrompt) -> None:
    template = load_template(write_prompt("a.md", FEW_SHOT))
    messages = template.render({"function": "generate", "keyword": "logo"})
    assert [message["role"] for message in messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("", 1, "no front matter"),
        ("## user\nhello", 1, "no front matter"),
        ("---\nmodality: text\n## user\nhello", 1, "the front matter does not end"),
        (f"---\nmodality: text\n{SCHEMA}\n---\n", 4, "no section"),
        (f"---\nmodality: text\n{SCHEMA}\n---\n\nhello\n## user\nhi", 6, "text before the first section"),
        (f"---\nmodality: text\n{SCHEMA}\n---\n## users\nhi", 5, "text before the first section"),
        ("---\nmodality: text\nmodality: text\n---\n## user\nhi", 3, "key 'modality' is given twice"),
        ("---\nmodality: text\nrole: ]\n---\n## user\nhi", 3, "not valid YAML"),
        (f"---\nmodality: text\nweigth: 2\n{SCHEMA}\n---\n## user\nhi", 3, "unknown key"),
        (f"---\nmodality: text\nweight: .inf\n{SCHEMA}\n---\n## user\nhi", 3, "finite number"),
        (f"---\nmodality: text\nphrasings: [query]\n{SCHEMA}\n---\n## user\nhi", 3, "unknown phrasing 'query'"),
        (f"---\nmodality: text\nlengths: [4 to 6]\n{SCHEMA}\n---\n## user\nhi", 3, "length band"),
        ("---\nmodality: text\nschema: {type: objekt}\n---\n## user\nhi", 3, "not a valid JSON schema"),
        ("---\nmodality: text\nschema: {type: object}\n---\n## user\nhi", 3, "does not require `query`"),
        (
            "---\nmodality: text\nschema: {type: object, properties: {query: {type: string}}}\n---\n## user\nhi",
            3,
            "does not require `query`",
        ),
        (f"---\nmodality: text\n{SCHEMA.replace('string', 'integer')}\n---\n## user\nhi", 3, "`query` is no string"),
        (f"---\nmodality: text\nexamples: 2\n{SCHEMA}\n---\n## user\nhi", 3, "one turn of each role"),
        (f"---\nmodality: text\n{SCHEMA}\n---\n## user\nhi\n## assistant\nho", None, "the last section is not"),
        (f"---\nmodality: text\n{SCHEMA}\n---\n## system\nhi", None, "the last section is not"),
    ],
)
def test_faulty_file_is_named_by_line_and_reason(
    write_prompt: WritePrompt, content: str, line: int | None, message: str
) -> None:
    found = faults_of(write_prompt("a.md", content))
    assert any(fault.line == line and message in fault.message for fault in found), found
    assert all(fault.fix for fault in found)


def test_all_faults_of_a_file_are_found_at_once(write_prompt: WritePrompt) -> None:
    content = "---\nmodality: text\nschema: {type: object}\n---\n## system\n{{ a }}\n\n## assistant\n{{ range(3) }}\n"
    messages = " | ".join(map(str, faults_of(write_prompt("a.md", content))))
    assert all(part in messages for part in (":6: a: unknown", ":9:", "`query`", "## user"))


def test_judge_templates_have_their_own_variables_and_need_no_query(write_prompt: WritePrompt) -> None:
    content = "---\nmodality: judge\nschema: {type: object}\n---\n## user\n{{ candidate | tojson }}"
    assert load_template(write_prompt("a.md", content)).meta.modality == "judge"
    assert faults_of(write_prompt("b.md", content.replace("candidate", "keyword")))[0].field == "keyword"


def test_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"---\nmodality: \xff\n---\n")
    assert faults_of(path)[0].line == 2
