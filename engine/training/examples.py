"""Training examples: rows of a dataset, split, rendered and tokenised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.json_lines import read_arguments, read_content, read_json_lines
from routenator.engine.training.prompts import CallPrompter


@dataclass(frozen=True, slots=True)
class TrainRow:
    """A query and the call that answers it."""

    query: str
    function: str
    arguments: Mapping[str, Any]


def load_rows(path: Path) -> tuple[TrainRow, ...]:
    """Read the rows of a run's directory, or of a JSON Lines file.

    A file's lines are rows of ``dataset.jsonl`` (``query``, ``function``, ``arguments`` as an object or as JSON text)
    or of a golden file's form (``args``).

    Raises:
        InputError: Nothing is there, the file is empty, or lines are no such rows.
    """
    file = path / "dataset" / "dataset.jsonl" if path.is_dir() else path
    return read_json_lines(
        file,
        read_content(file, "a finished run's directory, or a file of JSON lines"),
        _read_row,
        form='{"query": …, "function": …, "arguments": {…}}',
        if_empty="Generate some first: routenator generate RECIPE",
    )


def _read_row(value: Any, _number: int) -> TrainRow:
    if not isinstance(value, dict):
        raise ValueError("the line is no JSON object")
    query, function, arguments = value.get("query"), value.get("function"), read_arguments(value)
    if not isinstance(query, str) or not isinstance(function, str) or arguments is None:
        raise ValueError("a row has the texts query and function and the object arguments")
    return TrainRow(query, function, arguments)


def draw_rows(rows: Sequence[TrainRow], count: int, seed: int) -> tuple[TrainRow, ...]:
    """``count`` of the rows, or all where there are fewer, in the order of ``rows``.

    A query's hash decides, so that nearly the same rows are drawn when some are added.
    """
    drawn = sorted(range(len(rows)), key=lambda place: _hash(rows[place], f"{seed} drawn"))[:count]
    return tuple(rows[place] for place in sorted(drawn))


def _hash(row: TrainRow, salt: object) -> int:
    """64 bits."""
    return int.from_bytes(hashlib.blake2b(f"{salt}\x1f{row.query.casefold()}".encode(), digest_size=8).digest(), "big")


def split_rows(
    rows: Sequence[TrainRow], validation_share: float, seed: int
) -> tuple[tuple[TrainRow, ...], tuple[TrainRow, ...]]:
    """Training and validation rows, in the order of ``rows``.

    A query's hash decides, so that the same query never stands on both sides, and a row stays on its side when others
    are added.
    """
    train: list[TrainRow] = []
    validation: list[TrainRow] = []
    for row in rows:
        held_out = _hash(row, seed) < validation_share * 2**64
        (validation if held_out else train).append(row)
    return tuple(train), tuple(validation)


@dataclass(frozen=True)
class TokenizedRows:
    """Token ids of each example, with what is to be learnt.

    Attributes:
        input_ids: One list for each example: prompt, then answer.
        labels: What is to be learnt, as long as ``input_ids``: the answer's tokens; -100 marks the prompt's.
        too_long: Rows that were left out because they have more than ``max_tokens`` tokens.
    """

    input_ids: list[list[int]]
    labels: list[list[int]]
    too_long: int

    @property
    def longest_call(self) -> int:
        """Most tokens that any answer has."""
        return max((sum(label != -100 for label in row) for row in self.labels), default=0)


def tokenize_rows(rows: Iterable[TrainRow], prompter: CallPrompter, tokenizer: Any, max_tokens: int) -> TokenizedRows:
    """Render and tokenise; prompt and answer apart, so that no token spans both and evaluation sees the same prompt.

    Args:
        rows: What is to be learnt.
        prompter: Writes prompts and answers.
        tokenizer: A transformers tokenizer.
        max_tokens: Longest example.
    """
    input_ids, labels = [], []
    too_long = 0
    for row in rows:
        prompt = tokenizer(prompter.prompt(row.query), add_special_tokens=False)["input_ids"]
        answer = prompter.completion(row.query, row.function, row.arguments)
        answer_ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if len(prompt) + len(answer_ids) > max_tokens:
            too_long += 1
            continue
        input_ids.append([*prompt, *answer_ids])
        labels.append([-100] * len(prompt) + answer_ids)
    return TokenizedRows(input_ids, labels, too_long)
