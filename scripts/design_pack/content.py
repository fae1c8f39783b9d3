"""Writes `content.jsonl`: the titles of the themes, and the drawn items."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pictures import Picture
from themes import OBJECT_CATEGORIES, REFINEMENTS, Theme

MIN_KEYWORDS, MAX_KEYWORDS = 3, 8
STOP_WORDS = frozenset("a an the of on in with and for at to by over under from near its into two three one".split())


def _words(text: str) -> set[str]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {w[:-1] if w.endswith("s") and len(w) > 3 else w for w in words if w not in STOP_WORDS}


def _related_labels(title: str, theme: Theme, category: str) -> list[str]:
    """Labels of the theme that the title speaks of: objects first, then the design type that shows them."""
    said = _words(title)
    found: list[tuple[float, str]] = []
    for kind, terms in theme.objects.items():
        if category not in OBJECT_CATEGORIES[kind]:
            continue
        for term in terms:
            label = _words(term.label)
            share = len(label & said) / len(label) if label else 0.0
            if share > 0.5:
                found.append((-share, term.label))
    labels = [label for _, label in sorted(found, key=lambda pair: pair[0])][:3]
    designs = [d for d in theme.designs if d.category == category]
    shown = {d.term.label: len(set(labels) & set(REFINEMENTS["only"].get(d.term.label, ()))) for d in designs}
    related = [d.term for d in designs if shown[d.term.label] or _words(d.term.label) & said]
    related.sort(key=lambda term: (-shown[term.label], -len(_words(term.label) & said), -term.weight))
    return [*labels, *(term.label for term in related[:1])]


def _item(number: int, title: str, keywords: list[str], category: str, image: str | None) -> dict[str, Any]:
    unique = list(dict.fromkeys(k.lower() for k in keywords))[:MAX_KEYWORDS]
    item: dict[str, Any] = {"id": f"design-{number:04d}", "title": title, "keywords": unique, "type": category}
    if image is not None:
        item["image"] = image
    # A share of the library comes from British contributors, and a share was made by AI; both are fixed by the number.
    item["locale"] = "en-GB" if number % 9 == 4 else "en-US"
    item["is_animated"] = category in ("animation", "video")
    item["is_ai_generated"] = number % 7 == 3
    return item


def write_content(path: Path, themes: list[Theme], pictures: list[Picture]) -> int:
    """Write every item, drawn ones first; return their number."""
    items = [_item(number, p.title, list(p.keywords), p.category, p.file) for number, p in enumerate(pictures, start=1)]
    for theme in themes:
        for title in theme.titles:
            keywords = [*title.keywords, *_related_labels(title.title, theme, title.category), theme.name]
            if len(set(keywords)) < MIN_KEYWORDS:
                keywords.extend(intent.label for intent in theme.intents[: MIN_KEYWORDS - len(set(keywords))])
            items.append(_item(len(items) + 1, title.title, keywords, title.category, None))
    lines = [json.dumps(item, ensure_ascii=False) for item in items]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return len(items)
