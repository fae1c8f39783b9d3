"""Lays one attempt out for a terminal: prompt, reply, candidate, critique, requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show, show_line

ROLE_STYLES = {"system": "magenta", "user": "cyan", "assistant": "green"}


def format_value(value: Any) -> str:
    """A JSON value on one line, strings in quotes; what has no UTF-8 form stays for `display.show` to escape."""
    return json.dumps(value, ensure_ascii=False)


class AttemptFormatter:
    """Formats the attempts of one trace in order; the beginning that a prompt shares with an earlier one is named."""

    def __init__(self) -> None:
        self._shown: list[tuple[str, Sequence[Any]]] = []

    def format(self, attempt: Mapping[str, Any]) -> RenderableType:
        """Everything of one attempt."""
        number = attempt["number"]
        parts: list[RenderableType] = [
            Text(f"template {show_line(attempt['template'])}, seed {attempt['seed']}", style="dim")
        ]
        if completion := attempt.get("completion"):
            parts += self._format_completion("prompt", completion, number)
        if attempt.get("error_class"):
            error = ": ".join(filter(None, (attempt["error_class"], attempt.get("error"))))
            parts += [_label("error"), _block(error, style="bold red")]
        if candidate := attempt.get("candidate"):
            arguments = "\n".join(f"{name} = {format_value(value)}" for name, value in candidate["arguments"].items())
            parts += [_label("candidate"), _block(f"query = {format_value(candidate['query'])}\n{arguments}")]
        if (critique := attempt.get("critique")) and not _repeats_error(critique, attempt):
            parts += [_label(f"critique: {critique['decision']}"), _indent(_format_critique(critique))]
        for order, judged in enumerate(attempt.get("judge_completions") or (), start=1):
            parts += self._format_completion(f"judge's prompt {order}", judged, number)
        return Group(*parts)

    def _format_completion(self, name: str, completion: Mapping[str, Any], number: int) -> list[RenderableType]:
        messages, place = completion["messages"], f"attempt {number}, {name}"
        shared, where = self._find_shared(messages)
        self._shown.append((place, messages))
        body: list[RenderableType] = []
        if shared:
            which = "message 1" if shared == 1 else f"messages 1 to {shared}"
            body.append(Text(f"{which} as in {where}", style="dim italic"))
        for message in messages[shared:]:
            role = show_line(str(message.get("role", "?")))
            body.append(Text(role, style=ROLE_STYLES.get(role, "bold")))
            body.append(_indent(_format_content(message.get("content"))))
        facts = (
            f"{completion['endpoint']}, {completion['model']}, finish reason {completion['finish_reason']}, "
            f"{completion['prompt_tokens']:,} tokens in, {completion['completion_tokens']:,} out, "
            f"{completion['latency_ms']:,.0f} ms"
        )
        choices = completion.get("choices") or ()
        return [
            _label(name),
            _indent(Group(*body)),
            _label(f"reply, chosen of {len(choices)}" if choices else "reply"),
            _block(completion["text"]),
            *_format_others(choices, completion["text"]),
            Text(show_line(facts), style="dim"),
            *_format_requests(completion.get("requests") or ()),
        ]

    def _find_shared(self, messages: Sequence[Any]) -> tuple[int, str]:
        """How many first messages an earlier prompt begins with too, and which prompt that is."""
        best = (0, "")
        for place, earlier in self._shown:
            pairs = zip(messages, earlier, strict=False)
            count = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if count > best[0]:
                best = (count, place)
        return best


def _format_content(content: Any) -> RenderableType:
    parts = content if isinstance(content, list) else [content]
    return Group(*map(_format_part, parts))


def _format_part(part: Any) -> RenderableType:
    if isinstance(part, dict) and part.get("type") == "image":
        return Text(show_line(f"image {part.get('path')}, sha256 {part.get('sha256')}"), style="yellow")
    if isinstance(part, dict) and part.get("type") == "text":
        part = part.get("text")
    return Text(show(part if isinstance(part, str) else format_value(part)))


def _repeats_error(critique: Mapping[str, Any], attempt: Mapping[str, Any]) -> bool:
    """Whether all that is found is the error that left the attempt without a candidate, which is shown already."""
    findings = critique.get("findings") or ()
    return bool(findings) and all(
        finding["source"] == "parse" and finding["code"] == attempt.get("error_class") for finding in findings
    )


def _format_critique(critique: Mapping[str, Any]) -> RenderableType:
    parts: list[RenderableType] = []
    if findings := critique.get("findings"):
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True, style="yellow")
        table.add_column(overflow="fold")
        for finding in findings:
            message = Text(show(finding["message"]))
            table.add_row(Text(show_line(finding["source"])), Text(show_line(finding["code"])), message)
        parts.append(table)
    if scores := critique.get("scores"):
        figures = "   ".join(f"{show_line(name)} {_figure(score)}" for name, score in scores.items())
        parts.append(Text(figures, style="dim"))
    return Group(*parts) if parts else Text("no findings", style="dim")


def _figure(score: Any) -> str:
    return f"{score:.2f}" if isinstance(score, int | float) else "–"


def _format_others(choices: Sequence[str], chosen: str) -> list[RenderableType]:
    """The replies to the same request that were not taken."""
    others = list(choices)
    if chosen in others:
        others.remove(chosen)
    return [part for text in others for part in (_label("not chosen"), _block(text, style="dim"))]


def _format_requests(requests: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """One line for each HTTP request: who was asked, what came, and how long it took."""
    lines: list[RenderableType] = []
    for request in requests:
        failed = request.get("error") or (request.get("status") or 0) >= 400
        rest = ", ".join(
            f"{name} {value:,.1f}" if isinstance(value, float) else f"{name} {value}"
            for name, value in request.items()
            if name not in ("replica", "error") and value is not None
        )
        line = f"HTTP {request.get('replica', '')}: {rest}"
        if request.get("error"):
            line += f", {request['error']}"
        lines.append(Text(show_line(line), style="red" if failed else "dim"))
    return lines


def _label(text: str) -> RenderableType:
    return Padding(Text(show_line(text), style="bold"), (1, 0, 0, 0), expand=False)


def _indent(body: RenderableType) -> RenderableType:
    return Padding(body, (0, 0, 0, 2), expand=False)


def _block(text: str, style: str = "") -> RenderableType:
    return _indent(Text(show(text), style=style) if text else Text("(empty)", style="dim"))
