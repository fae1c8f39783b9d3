"""Few-shot examples and the small content library."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from expanding import HERE, load_yaml
from small import KINDS

_SPAN = re.compile(r"\[(\w+):([^\]]+)\]")
PACK = HERE.parents[1] / "domains" / "assistant"


def read_marked(text: str) -> tuple[str, dict[str, str]]:
    """A sentence with marked spans → the query and its arguments."""
    return _SPAN.sub(lambda match: match[2], text), {match[1]: match[2] for match in _SPAN.finditer(text)}


def category_of(value: str, keywords: dict[str, list[str]]) -> str:
    """The category that has the value among its keywords; the value's own name where none has."""
    folded = value.casefold()
    named = [category for category, words in keywords.items() if folded in {word.casefold() for word in words}]
    return named[0] if named else "none"


def write_examples(prompts: Path) -> int:
    """Write `examples.jsonl`; return the number of examples."""
    spec: dict[str, Any] = yaml.safe_load((PACK / "domain.yaml").read_text("utf-8"))
    vocabulary = load_yaml("vocabulary.yaml")
    keywords = {
        kind: {name: [term.partition(" *")[0] for term in terms] for name, terms in vocabulary[kind].items()}
        for kind in KINDS
    }
    lines = []
    for function, sentences in load_yaml("examples.yaml").items():
        declared = spec["arguments"][function]
        first = next(name for name, argument in declared.items() if argument["kind"] == "category")
        for sentence in sentences:
            query, found = read_marked(sentence)
            arguments = {name: found[name] for name in declared if name in found}
            category = category_of(found[first], keywords[declared[first]["node"]]) if first in found else "none"
            row = {"function": function, "category": category, "query": query, "arguments": arguments}
            lines.append(json.dumps(row, ensure_ascii=False))
    prompts.mkdir(parents=True, exist_ok=True)
    (prompts / "examples.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return len(lines)


def write_content(path: Path) -> None:
    """Write one item for each category: what the engine may show of it."""
    spec: dict[str, Any] = yaml.safe_load((PACK / "domain.yaml").read_text("utf-8"))
    items = [
        {
            "id": f"assistant-{name}",
            "title": category["keywords"]["en"][0],
            "keywords": category["keywords"]["en"],
            "type": name,
        }
        for name, category in spec["categories"].items()
    ]
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), "utf-8")
