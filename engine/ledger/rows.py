"""A sample's row: how it is cut from a record, and how it is read back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from routenator.engine.ledger.schema import JSON_COLUMNS, SAMPLE_COLUMNS, STRATUM_COLUMNS
from routenator.engine.ledger.trace_codec import dump_json, load_json
from routenator.engine.sample import SampleKey, SampleRecord

Cell = str | bytes | int | float | None

INSERT_SAMPLE = (
    f"INSERT INTO sample ({', '.join(SAMPLE_COLUMNS)}) VALUES ({', '.join('?' * len(SAMPLE_COLUMNS))})"  # noqa: S608
    " ON CONFLICT (slot, round) DO NOTHING"
)


def to_cell(text: str | None) -> str | bytes | None:
    """``text`` for a text column; text that is not UTF-8 becomes a blob."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def from_cell(cell: str | bytes | None) -> str | None:
    """The text that `to_cell` was given."""
    return cell.decode("utf-8", "surrogatepass") if isinstance(cell, bytes) else cell


def _json_cell(value: Any) -> str | bytes | None:
    if value is None:
        return None
    data = dump_json(value)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def build_row(record: SampleRecord, committed_at: float) -> tuple[Cell, ...]:
    """The sample's row, in the order of ``SAMPLE_COLUMNS``.

    Args:
        record: The finished sample.
        committed_at: Unix time in seconds.
    """
    reasons: list[str] = []
    prompt_tokens = completion_tokens = judge_prompt_tokens = judge_completion_tokens = 0
    endpoint = model = None
    for attempt in record.attempts:
        if attempt.error_class is not None:
            reasons.append(f"error:{attempt.error_class}")
        if attempt.critique is not None:
            # An attempt without a candidate is criticised for its own error: that is one reason, not two.
            reasons += [
                f"{finding.source}:{finding.code}"
                for finding in attempt.critique.findings
                if finding.source != "parse" or finding.code != attempt.error_class
            ]
        if (completion := attempt.completion) is not None:
            endpoint, model = completion.endpoint, completion.model
            prompt_tokens += completion.prompt_tokens
            completion_tokens += completion.completion_tokens
        for completion in attempt.judge_completions:
            judge_prompt_tokens += completion.prompt_tokens
            judge_completion_tokens += completion.completion_tokens
    node_ms: defaultdict[str, float] = defaultdict(float)
    for span in record.spans:
        node_ms[span.node] += span.duration_ms
    candidate = record.candidate
    return (
        record.key.slot,
        record.key.round,
        record.verdict,
        *(to_cell(getattr(record.stratum, column)) for column in STRATUM_COLUMNS),
        to_cell(record.template),
        to_cell(candidate.query) if candidate else None,
        _json_cell(candidate.arguments) if candidate else None,
        _json_cell(record.grounding),
        record.error_class,
        to_cell(record.error),
        _json_cell(reasons),
        len(record.attempts),
        prompt_tokens,
        completion_tokens,
        judge_prompt_tokens,
        judge_completion_tokens,
        to_cell(endpoint),
        to_cell(model),
        record.started_at,
        committed_at,
        record.duration_ms,
        _json_cell({node: round(ms, 3) for node, ms in node_ms.items()}),
        None,
    )


def parse_row(row: Iterable[Any]) -> dict[str, Any]:
    """All columns with their JSON parsed, and ``trace_id``."""
    values: dict[str, Any] = {
        column: from_cell(cell) if isinstance(cell, bytes) else cell
        for column, cell in zip(SAMPLE_COLUMNS, row, strict=True)
    }
    for column in JSON_COLUMNS:
        if values[column] is not None:
            values[column] = load_json(values[column])
    values["trace_id"] = SampleKey(values["slot"], values["round"]).trace_id
    return values
