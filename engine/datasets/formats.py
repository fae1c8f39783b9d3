"""Export formats: the same call, written as each training or evaluation tool takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.datasets.atomic_file import atomic_file
from routenator.engine.datasets.row import DatasetRow
from routenator.engine.datasets.strict_json import clean, dump_json

Tool = Mapping[str, Any]
"""An entry of an OpenAI ``tools`` list: ``{"type": "function", "function": {"name", "description", "parameters"}}``."""

Encoder = Callable[[DatasetRow, Sequence[Tool]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One way to write the dataset as JSON Lines.

    Attributes:
        name: As ``--format`` takes it.
        purpose: The tool that it is for and how that tool is told, for the help.
        file_name: Name of the file when the user gives none.
        encode: Row and tools → one line.
        encode_answer: Row and tools → the line in ``possible_answer/<same name>``, for a format that keeps its answers
            in a file of their own.
    """

    name: str
    purpose: str
    file_name: str
    encode: Encoder
    encode_answer: Encoder | None = None


def export_dataset(
    rows: Iterable[DatasetRow], tools: Sequence[Tool], export_format: ExportFormat, file: Path
) -> tuple[int, tuple[Path, ...]]:
    """Write ``rows`` to ``file``, one line each, whole or not at all.

    Returns:
        Rows written, and the files.

    Raises:
        RunError: A file cannot be written.
    """
    encoders = {file: export_format.encode}
    if export_format.encode_answer is not None:
        encoders[file.parent / "possible_answer" / file.name] = export_format.encode_answer
    count = 0
    with ExitStack() as stack:
        outputs = [(stack.enter_context(atomic_file(path)), encode) for path, encode in encoders.items()]
        for count, row in enumerate(rows, start=1):  # noqa: B007
            for output, encode in outputs:
                output.write(dump_json(encode(row, tools)) + b"\n")
    return count, tuple(encoders)


def encode_openai_chat(row: DatasetRow, tools: Sequence[Tool]) -> dict[str, Any]:
    """OpenAI fine-tuning: ``arguments`` is JSON text, as the API returns it.

    Source:
        OpenAI, Supervised fine-tuning, "Chat completions with tool calls".
    """
    call = {"name": row.function, "arguments": _arguments_text(row)}
    return {
        "messages": [
            {"role": "user", "content": row.query},
            {"role": "assistant", "tool_calls": [{"id": _call_id(row), "type": "function", "function": call}]},
        ],
        "tools": list(tools),
    }


def encode_sharegpt(row: DatasetRow, tools: Sequence[Tool]) -> dict[str, Any]:
    """ShareGPT turns with ``function_call``; ``tools`` is the JSON text of the bare functions.

    Source:
        LLaMA-Factory, data/README.md, "Sharegpt Format"; its own glaive_toolcall_en data set has this form.
    """
    call = {"name": row.function, "arguments": dict(row.arguments)}
    return {
        "conversations": [
            {"from": "human", "value": row.query},
            {"from": "function_call", "value": _text(call)},
        ],
        "tools": _text([tool["function"] for tool in tools]),
    }


def encode_trl(row: DatasetRow, tools: Sequence[Tool]) -> dict[str, Any]:
    """Conversational prompt-completion: ``arguments`` is a mapping, as chat templates expect.

    ``tools`` is JSON text, which `SFTTrainer` parses: as nested columns the parameters of one function would be filled
    with the nulls of another's.

    Source:
        TRL, "Dataset formats and types", prompt-completion and tool calling.
    """
    call = {"name": row.function, "arguments": dict(row.arguments)}
    return {
        "prompt": [{"role": "user", "content": row.query}],
        "completion": [
            {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]},
        ],
        "tools": _text(list(tools)),
    }


def encode_bfcl_question(row: DatasetRow, tools: Sequence[Tool]) -> dict[str, Any]:
    """A BFCL entry; parameter types are named as BFCL's checker names them.

    Source:
        Berkeley Function Calling Leaderboard, data files of categories simple and multiple.
    """
    functions = [dict(tool["function"]) for tool in tools]
    for function in functions:
        function["parameters"] = _bfcl_types(function["parameters"])
    return {
        "id": _bfcl_id(row, tools),
        "question": [[{"role": "user", "content": row.query}]],
        "function": functions,
        "trace_id": row.id,
    }


def encode_bfcl_answer(row: DatasetRow, tools: Sequence[Tool]) -> dict[str, Any]:
    """A BFCL possible answer: every argument with the list of values that count as right."""
    values = {name: [value] for name, value in row.arguments.items()}
    return {"id": _bfcl_id(row, tools), "ground_truth": [{row.function: values}]}


FORMATS: dict[str, ExportFormat] = {
    export_format.name: export_format
    for export_format in (
        ExportFormat(
            "openai-chat",
            "messages and tools, for OpenAI fine-tuning and tools that take its files",
            "openai-chat.jsonl",
            encode_openai_chat,
        ),
        ExportFormat(
            "sharegpt", "conversations, for LLaMA-Factory (formatting: sharegpt)", "sharegpt.jsonl", encode_sharegpt
        ),
        ExportFormat("trl", "prompt and completion with tool calls, for TRL's SFTTrainer", "trl.jsonl", encode_trl),
        ExportFormat(
            "bfcl",
            "questions, and their answers in possible_answer/, for the Berkeley Function Calling Leaderboard (Gorilla)",
            "bfcl/BFCL_v4_multiple.json",
            encode_bfcl_question,
            encode_bfcl_answer,
        ),
    )
}
"""Name → format."""


_BFCL_TYPES = {"object": "dict", "number": "float"}


def _bfcl_types(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bfcl_types(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _BFCL_TYPES.get(value, value) if key == "type" and isinstance(value, str) else _bfcl_types(value)
        for key, value in schema.items()
    }


def _bfcl_id(row: DatasetRow, tools: Sequence[Tool]) -> str:
    # BFCL reads the category from the id up to its last underscore; a delivered slot has one row, so slots are unique.
    return f"{'multiple' if len(tools) > 1 else 'simple_python'}_{row.key.slot}"


def _call_id(row: DatasetRow) -> str:
    return f"call_{row.key.slot}_{row.key.round}"


def _arguments_text(row: DatasetRow) -> str:
    return _text(dict(row.arguments))


def _text(value: Any) -> str:
    return dump_json(clean(value)).decode()
