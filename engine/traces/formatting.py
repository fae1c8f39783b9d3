"""Lays a trace out for a terminal. Every text goes through `display.show`: models and packs wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from routenator.engine.display import show, show_line
from routenator.engine.traces.attempt_formatting import AttemptFormatter, format_value

NOTHING = "–"
VERDICT_STYLES = {"accepted": "bold green", "rejected": "bold yellow", "failed": "bold red"}


def format_trace(record: Mapping[str, Any]) -> RenderableType:
    """Everything known of one sample, top down: what it is, its walk, its nodes, each attempt.

    Args:
        record: A trace as `routenator.engine.ledger.reader.LedgerReader.trace` gives it.
    """
    parts: list[RenderableType] = [_format_title(record), _indent(_format_facts(record))]
    if grounding := record.get("grounding"):
        parts += [_heading("Walk"), _indent(_format_walk(grounding))]
    if spans := record.get("spans"):
        parts += [_heading("Nodes"), _indent(_format_spans(spans))]
    attempts = AttemptFormatter()
    for attempt in record.get("attempts") or ():
        decision = (attempt.get("critique") or {}).get("decision") or attempt.get("error_class") or "not judged"
        parts += [_heading(f"Attempt {attempt['number']}: {decision}"), _indent(attempts.format(attempt))]
    return Group(*parts)


def _heading(text: str) -> RenderableType:
    return Padding(Rule(Text(show_line(text), style="bold"), align="left", style="dim"), (1, 0, 0, 0))


def _indent(body: RenderableType) -> RenderableType:
    return Padding(body, (0, 0, 0, 2), expand=False)


def _format_title(record: Mapping[str, Any]) -> RenderableType:
    key, verdict = record["key"], record["verdict"]
    title = Text.assemble(
        ("Trace ", "bold"), (f"{key['slot']}.{key['round']}", "bold"), " ", (verdict, VERDICT_STYLES.get(verdict, ""))
    )
    return Rule(title, align="left", characters="═")


def _format_facts(record: Mapping[str, Any]) -> RenderableType:
    """The header's table; facts that are not there are left out."""
    key, stratum, candidate = record["key"], record["stratum"], record.get("candidate")
    attempts = record.get("attempts") or []
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")

    def add(name: str, value: str | None) -> None:
        if value:
            facts.add_row(name, Text(show(value)))

    if candidate:
        add("query", candidate["query"])
        arguments = ", ".join(f"{name}={format_value(value)}" for name, value in candidate["arguments"].items())
        add("call", f"{stratum['function']}({arguments})")
    if record.get("error_class"):
        add("ended by", ": ".join(filter(None, (record["error_class"], record.get("error")))))
    add("duplicate of", record.get("duplicate_of"))
    add("asked for", " · ".join(f"{axis.replace('_', ' ')} {value}" for axis, value in stratum.items()))
    add("template", record.get("template"))
    completions = [attempt["completion"] for attempt in attempts if attempt.get("completion")]
    judged = [completion for attempt in attempts for completion in attempt.get("judge_completions") or ()]
    for name, made in (("written by", completions), ("judged by", judged)):
        if made:
            who = dict.fromkeys(f"{completion['endpoint']} ({completion['model']})" for completion in made)
            tokens = [sum(c[kind] for c in made) for kind in ("prompt_tokens", "completion_tokens")]
            add(name, f"{', '.join(who)}, {tokens[0]:,} tokens in, {tokens[1]:,} out")
    times = "attempt" if len(attempts) == 1 else "attempts"
    add("slot", f"{key['slot']}, round {key['round']}, {len(attempts)} {times}")
    add("time", f"{record['duration_ms'] / 1_000:.3f} s, from {record['started_at']}")
    return facts


def _format_walk(grounding: Mapping[str, Any]) -> RenderableType:
    nodes, hops = grounding["nodes"], grounding["hops"]
    walk = Table.grid(padding=(0, 2))
    for style in ("dim", "", "dim"):
        walk.add_column(style=style, overflow="fold")
    for number, node in enumerate(nodes):
        walk.add_row(*(Text(show_line(node[part])) for part in ("type", "label", "id")))
        if number < len(hops):
            hop = hops[number]
            walk.add_row("", Text(f"  ↓ {show_line(hop['type'])}  weight {hop['weight']:g}", style="cyan"), "")
    if content := grounding.get("content"):
        walk.add_row("", "", "")
        walk.add_row("content", Text(show_line(content["title"])), Text(show_line(content["id"])))
        walk.add_row("type", Text(show_line(content["type"])), "")
        walk.add_row("keywords", Text(show_line(", ".join(content["keywords"]))), "")
        if content.get("image"):
            walk.add_row("image", Text(show_line(content["image"])), "")
    return walk


def _format_spans(spans: Sequence[Mapping[str, Any]]) -> RenderableType:
    """One line for a node's times, and its input and output below, over the whole width."""
    parts: list[RenderableType] = [Text(f"{'at ms':>11}  {'took ms':>10}  node", style="dim")]
    for span in spans:
        times = f"{span['start_ms']:>11,.2f}  {span['duration_ms']:>10,.2f}  "
        parts.append(Text.assemble(times, (show_line(span["node"]), "bold")))
        passed = Text(_pairs(span["input"]))
        passed.append(" → ", style="cyan").append(_pairs(span["output"]))
        if span.get("error"):
            passed.append(f"  {show_line(span['error'])}", style="bold red")
        parts.append(Padding(passed, (0, 0, 0, 4), expand=False))
    return Group(*parts)


def _pairs(values: Mapping[str, Any]) -> str:
    """What went in or came out; ``null`` says nothing, and is left out."""
    pairs = [
        f"{show_line(name)}={show_line(format_value(_shorten(value)))}"
        for name, value in values.items()
        if value is not None
    ]
    return ", ".join(pairs) or NOTHING


def _shorten(value: Any) -> Any:
    """Fractions to four figures; ``traces show --json`` has them all."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _shorten(inner) for name, inner in value.items()}
    return [_shorten(inner) for inner in value] if isinstance(value, list) else value
