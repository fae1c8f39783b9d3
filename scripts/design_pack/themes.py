"""Reads the curated sources: `themes/*.yaml`, `actions.yaml`.

A theme is a set of intents, design types, objects and titles that belong together. Every intent of a theme may lead to
every design type of the theme, and every design type to the theme's objects: a walk forgets its intent after one hop,
so themes are kept narrow ("halloween", not "holidays"). Entries are written ``label | alias | alias *weight``.

Lists of objects, and the categories that they serve:

* ``objects``: things that can be drawn small or large; every visual category
* ``scenes``: what happens somewhere; pictures that have room for it
* ``sounds``: what can be heard; audio
* ``lettering``: styles of letters; font
* ``surfaces``: what covers an area; background and pattern
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CATEGORIES = tuple(
    "image template video audio icon background font illustration logo sticker animation pattern".split()
)

OBJECT_CATEGORIES: dict[str, tuple[str, ...]] = {
    "objects": tuple(c for c in CATEGORIES if c not in ("audio", "font")),
    "scenes": ("image", "video", "background", "illustration", "animation"),
    "sounds": ("audio",),
    "lettering": ("font",),
    "surfaces": ("background", "pattern"),
}
LIST_WEIGHTS: dict[str, dict[str, float]] = {
    "image": {"objects": 1, "scenes": 2},
    "template": {"objects": 1},
    "video": {"objects": 1, "scenes": 3},
    "audio": {"sounds": 1},
    "icon": {"objects": 1},
    "background": {"objects": 0.3, "scenes": 1, "surfaces": 3},
    "font": {"lettering": 1},
    "illustration": {"objects": 2, "scenes": 1},
    "logo": {"objects": 1},
    "sticker": {"objects": 1},
    "animation": {"objects": 2, "scenes": 1},
    "pattern": {"objects": 1, "surfaces": 2},
}
"""Category of a design type → how much of the draw each list of objects gets, per entry."""

REFINEMENTS: dict[str, dict[str, list[str]]] = yaml.safe_load((HERE / "refinements.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Term:
    """One entry of a list."""

    label: str
    aliases: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True)
class Design:
    """A design type: what kind of thing is looked for or made."""

    term: Term
    category: str


@dataclass(frozen=True)
class Title:
    """A hand-written content item without an image."""

    title: str
    category: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Theme:
    """What belongs together."""

    name: str
    intents: tuple[Term, ...]
    designs: tuple[Design, ...]
    objects: dict[str, tuple[Term, ...]]
    titles: tuple[Title, ...]

    def calls_for(self, intent: Term, design: Design) -> bool:
        """Whether the intent leads to the design type."""
        return design.term.label not in REFINEMENTS["skip"].get(intent.label, ())

    def featured(self, design: Design) -> list[tuple[str, tuple[Term, ...]]]:
        """Lists of objects that the design type may show."""
        only = REFINEMENTS["only"].get(design.term.label)
        lists = []
        for kind in LIST_WEIGHTS[design.category]:
            terms = tuple(t for t in self.objects.get(kind, ()) if only is None or t.label in only)
            if terms:
                lists.append((kind, terms))
        return lists


@dataclass(frozen=True)
class Verb:
    """An action: a command that asks for content."""

    term: Term
    function: str
    categories: tuple[str, ...]


def parse_term(entry: str) -> Term:
    """``label | alias *weight`` → term."""
    text, _, weight = entry.partition("*")
    label, *aliases = (part.strip() for part in text.split("|"))
    return Term(label, tuple(aliases), float(weight) if weight else 1.0)


def _parse_title(entry: str, category: str) -> Title:
    title, _, keywords = entry.partition(";")
    return Title(title.strip(), category, tuple(k.strip() for k in keywords.split("|") if k.strip()))


def _parse_theme(raw: dict[str, Any]) -> Theme:
    unknown = set(raw) - {"theme", "intents", "designs", "content", *OBJECT_CATEGORIES}
    if unknown:
        raise ValueError(f"theme {raw['theme']}: unknown keys {sorted(unknown)}")
    return Theme(
        name=raw["theme"],
        intents=tuple(parse_term(entry) for entry in raw["intents"]),
        designs=tuple(
            Design(parse_term(entry), category) for category, entries in raw["designs"].items() for entry in entries
        ),
        objects={kind: tuple(parse_term(e) for e in raw[kind]) for kind in OBJECT_CATEGORIES if kind in raw},
        titles=tuple(
            _parse_title(entry, category) for category, entries in raw.get("content", {}).items() for entry in entries
        ),
    )


def load_themes() -> list[Theme]:
    """Every theme, in file order."""
    themes: list[Theme] = []
    for path in sorted((HERE / "themes").glob("*.yaml")):
        themes.extend(_parse_theme(raw) for raw in yaml.safe_load(path.read_text("utf-8")))
    _check_refinements(themes)
    return themes


def _check_refinements(themes: list[Theme]) -> None:
    """Refuse a refinement that names what no theme has, and a design type that shows nothing."""
    shown = {
        d.term.label: {t.label for ts in theme.objects.values() for t in ts} for theme in themes for d in theme.designs
    }
    intents = {intent.label for theme in themes for intent in theme.intents}
    faults = [f"only: no design type {label!r}" for label in REFINEMENTS["only"] if label not in shown]
    for label, names in REFINEMENTS["only"].items():
        faults += [f"only, {label}: no object {name!r}" for name in names if name not in shown.get(label, ())]
    for intent, labels in REFINEMENTS["skip"].items():
        faults += [f"skip: no intent {intent!r}"] if intent not in intents else []
        faults += [f"skip, {intent}: no design type {label!r}" for label in labels if label not in shown]
    faults += [f"{d.term.label}: shows nothing" for theme in themes for d in theme.designs if not theme.featured(d)]
    if faults:
        raise ValueError("\n".join(faults))


def load_verbs() -> list[Verb]:
    """Every action."""
    verbs: list[Verb] = []
    for function, groups in yaml.safe_load((HERE / "actions.yaml").read_text("utf-8")).items():
        verbs.extend(Verb(parse_term(entry), function, ()) for entry in groups["any"])
        for group in groups["only"]:
            verbs.extend(Verb(parse_term(entry), function, tuple(group["categories"])) for entry in group["verbs"])
    return verbs
