"""Invented titles and names: forms of `titles.yaml` filled with the words of `words.yaml`."""

from __future__ import annotations

import csv
import random
import re
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from unwelcome import RUDE

HERE = Path(__file__).parent
SMALL_WORDS = frozenset("a an the of in on at to for from by and or with without is vs. feat. pt. vol. than".split())
_SYMBOL = re.compile(r"\{(\w+)\}")
_UNCOUNTED = tuple("s x z y sh ch f fe o ing ion ism ance ence ics man men mouse louse goose foot tooth child".split())
RARE_WORDS = 0.6
"""Share of nouns, their plurals and adjectives that are taken from WordNet's, and not from `words.yaml`."""
MAX_TRIES = 60
"""Expansions per wanted label before a form is thought exhausted."""


def load_yaml(name: str) -> dict[str, Any]:
    """A YAML file beside this script; every scalar stays text, so that `on` and `1999` are words."""
    loaded: dict[str, Any] = yaml.load((HERE / name).read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return loaded


def read_rows(name: str) -> list[dict[str, str]]:
    """A table of `sources/`."""
    with (HERE / "sources" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def borrowed(*kinds: str) -> list[str]:
    """Real titles and names of these kinds of `sources/titles.csv`, each once."""
    rows = read_rows("titles.csv")
    return list(dict.fromkeys(row["title"] for kind in kinds for row in rows if row["kind"] == kind))


def plain_letters(text: str) -> str:
    """Without accents: "Bjork"."""
    replaced = text.translate(str.maketrans("øØłŁıđĐð", "oOlLidDd"))
    return "".join(c for c in unicodedata.normalize("NFKD", replaced) if not unicodedata.combining(c))


def title_case(text: str) -> str:
    """Capitals as on a cover: every word but small ones; capitals that are there stay."""
    words = text.split(" ")
    capital = [
        w.upper()
        if len(w) == 3 and w[1] == "&"
        else w
        if i and w in SMALL_WORDS and not words[i - 1].endswith(":")
        else w[:1].upper() + w[1:]
        if not w.startswith("(")
        else "(" + w[1:2].upper() + w[2:]
        for i, w in enumerate(words)
    ]
    return " ".join(capital)


class Names:
    """First and last names by locale."""

    def __init__(self) -> None:
        self.by_locale: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"first": [], "last": []})
        for row in read_rows("names.csv"):
            self.by_locale[row["locale"]][row["kind"]].append(row["name"])
        self.locales = [locale for locale, kinds in sorted(self.by_locale.items()) if kinds["first"] and kinds["last"]]
        self.weights = [8.0 if locale == "en_US" else 3.0 if locale == "en_GB" else 1.0 for locale in self.locales]

    def draw(self, kind: str, rng: random.Random) -> str:
        """A first or a last name, or a `full` one, mostly of one locale."""
        locale, other = rng.choices(self.locales, self.weights, k=2)
        if kind != "full":
            return rng.choice(self.by_locale[locale][kind])
        if rng.random() < 0.8:
            other = locale
        first, last = rng.choice(self.by_locale[locale]["first"]), rng.choice(self.by_locale[other]["last"])
        return f"{first} {last}"


class Inventor:
    """Expands the forms. Two inventors with one seed give the same labels."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.names = Names()
        self.words: dict[str, list[str]] = load_yaml("words.yaml")
        # Titles are made of many more words than one writes down.
        known = {
            part: [row["word"] for row in read_rows("words.csv") if row["part"] == part] for part in ("noun", "adj")
        }
        self.rare = {
            **known,
            "plural": [f"{noun}s" for noun in known["noun"] if len(noun) < 9 and not noun.endswith(_UNCOUNTED)],
        }
        self.rules: dict[str, tuple[list[str], list[float]]] = {}
        for symbol, forms in load_yaml("titles.yaml").items():
            texts = [form if isinstance(form, str) else form["text"] for form in forms]
            weights = [1.0 if isinstance(form, str) else float(form["weight"]) for form in forms]
            self.rules[symbol] = (texts, weights)

    def words_of(self, symbol: str) -> list[str]:
        """The alternatives of a rule as they stand."""
        return self.rules[symbol][0]

    def expand(self, symbol: str) -> str:
        """One random expansion."""
        if symbol in ("first", "last", "full"):
            return self.names.draw(symbol, self.rng)
        if symbol in self.rare and self.rng.random() < RARE_WORDS:
            return self.rng.choice(self.rare[symbol])
        if symbol in self.words:
            return self.rng.choice(self.words[symbol])
        texts, weights = self.rules[symbol]
        text = self.rng.choices(texts, weights)[0]
        return _SYMBOL.sub(lambda match: self.expand(match[1]), text)

    def invent(self, symbol: str, count: int, taken: set[str]) -> list[str]:
        """``count`` labels that are not in ``taken`` (casefolded), which grows by them."""
        found: list[str] = []
        for _ in range(MAX_TRIES * count):
            if len(found) == count:
                break
            text = _tidy(self.expand(symbol))
            label = title_case(text)
            if label.casefold() not in taken and not RUDE.search(label):
                taken.add(label.casefold())
                found.append(label)
        return found


def _tidy(text: str) -> str:
    """English articles, and no word twice in a row but in `la la la`."""
    text = re.sub(r"\b(a) ([aeiou])", r"\1n \2", text)
    return re.sub(r"\b(?!la\b)(\w+) \1\b", r"\1", text)
