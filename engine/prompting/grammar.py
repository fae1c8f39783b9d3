"""Heuristic routes: a weighted grammar in a file, expanded until a query fits the stratum."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from routenator.engine.config import Strict
from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.english import with_article
from routenator.engine.prompting.template import Serves
from routenator.engine.yaml_source import load_yaml, validate_yaml

MAX_DEPTH = 12
MAX_TRIES = 400
_SYMBOL = re.compile(r"\{(a:)?([A-Za-z_]\w*)\}")
SLOT_SYMBOLS = frozenset({"keyword", "purpose", "kind", "subject", "action"})
"""Symbols that every sample provides, besides one for each node type of its pack's walk; see `slot_values`."""


class Weighted(Strict):
    """One alternative of a rule with its weight."""

    text: str
    weight: Annotated[float, Field(gt=0)] = 1.0


class GrammarFile(Serves):
    """A ``heuristic/*.yaml`` file: ``rules`` maps a symbol to alternatives; expansion starts at ``query``.

    ``{name}`` in a text is another rule, or a value of the sample: ``{keyword}`` (a word for the category), a node
    type of the walk (``{SceneObject}``: its label or one of its aliases), or, for grammars that serve any pack, a node
    by its place: ``{purpose}`` the first, ``{kind}`` the second, ``{subject}`` the last but one, ``{action}`` the last.
    ``{a:name}`` puts the English indefinite article before it, or none before a plural or an uncountable.
    """

    modality: Literal["heuristic"] = "heuristic"
    description: str = ""
    rules: dict[str, tuple[str | Weighted, ...]]


@dataclass(frozen=True)
class _Rule:
    texts: tuple[str, ...]
    cumulative: tuple[float, ...]


@dataclass(frozen=True)
class Grammar:
    """A checked grammar. ``name`` is its path below the prompts folder without the suffix."""

    name: str
    file: str
    meta: GrammarFile
    rules: Mapping[str, _Rule]

    def expand(self, values: Mapping[str, tuple[str, ...]], rng: random.Random) -> str:
        """One random expansion of ``query``; each slot symbol keeps one value throughout."""
        chosen = {options: rng.choice(options) for options in values.values() if options}
        fixed = {name: chosen[options] for name, options in values.items() if options}

        def expand_symbol(name: str, depth: int) -> str:
            rule = self.rules.get(name)
            if rule is None or depth > MAX_DEPTH:
                return fixed.get(name, "")
            text = rng.choices(rule.texts, cum_weights=rule.cumulative)[0]
            return _SYMBOL.sub(lambda match: with_article(match[1], expand_symbol(match[2], depth + 1)), text)

        return _tidy(expand_symbol("query", 0))

    def generate(
        self, values: Mapping[str, tuple[str, ...]], seed: int, fits: Callable[[str], bool]
    ) -> tuple[str | None, int]:
        """Expand until ``fits`` agrees.

        Args:
            values: Slot symbol → its possible surface forms.
            seed: Same seed, same query.
            fits: Whether a query has the stratum's length, phrasing and keyword position.

        Returns:
            The query, or ``None`` after `MAX_TRIES` expansions, and the number of expansions.
        """
        rng = random.Random(seed)
        for tries in range(1, MAX_TRIES + 1):
            query = self.expand(values, rng)
            if query and fits(query):
                return query, tries
        return None, MAX_TRIES


def slot_values(nodes: Sequence[tuple[str, tuple[str, ...]]], keyword: str) -> dict[str, tuple[str, ...]]:
    """Values of a sample's symbols.

    Args:
        nodes: Type and surface forms of each node of the walk, in order; at least two.
        keyword: A word for the category, or ``""``.
    """
    by_place = {"purpose": 0, "kind": 1, "subject": len(nodes) - 2, "action": len(nodes) - 1}
    return dict(nodes) | {name: nodes[place][1] for name, place in by_place.items()} | {"keyword": (keyword,)}


def _tidy(text: str) -> str:
    """Collapse spaces and drop spaces before marks."""
    return re.sub(r"\s+([,.?!])", r"\1", " ".join(text.split()))


def load_grammar(path: Path, name: str, node_types: frozenset[str]) -> Grammar:
    """Read and check a grammar file.

    Args:
        path: The YAML file.
        name: Name for traces.
        node_types: Node types of the pack's walk: symbols that a text may use.

    Raises:
        PromptError: With every fault of the file.
    """
    source = load_yaml(path, PromptError)
    meta = validate_yaml(GrammarFile, source, PromptError)
    faults: list[Fault] = []
    if "query" not in meta.rules:
        faults.append(source.fault(("rules",), "no rule `query`", "Add the rule that expansion starts from"))
    known = set(meta.rules) | SLOT_SYMBOLS | node_types
    rules: dict[str, _Rule] = {}
    for symbol, alternatives in meta.rules.items():
        if symbol in SLOT_SYMBOLS | node_types:
            faults.append(
                source.fault(("rules", symbol), "this name belongs to a value of the sample", "Rename the rule")
            )
        if not alternatives:
            faults.append(source.fault(("rules", symbol), "no alternative", "Add at least one text"))
            continue
        weighted = [Weighted(text=a) if isinstance(a, str) else a for a in alternatives]
        for i, alternative in enumerate(weighted):
            for _, used in _SYMBOL.findall(alternative.text):
                if used not in known:
                    fix = f"The symbols are {', '.join(sorted(known))}"
                    faults.append(source.fault(("rules", symbol, i), f"unknown symbol {{{used}}}", fix))
        total, cumulative = 0.0, []
        for alternative in weighted:
            total += alternative.weight
            cumulative.append(total)
        rules[symbol] = _Rule(tuple(a.text for a in weighted), tuple(cumulative))
    faults += [
        source.fault(("rules", symbol), "the rule contains itself", "Break the cycle") for symbol in _find_cycles(rules)
    ]
    if faults:
        raise PromptError(faults)
    return Grammar(name, str(path), meta, rules)


def _find_cycles(rules: Mapping[str, _Rule]) -> list[str]:
    """Symbols that can reach themselves."""
    uses: dict[str, set[Any]] = {
        symbol: {used for text in rule.texts for _, used in _SYMBOL.findall(text) if used in rules}
        for symbol, rule in rules.items()
    }
    cyclic = []
    for start in rules:
        seen: set[str] = set()
        stack = list(uses[start])
        while stack:
            symbol = stack.pop()
            if symbol == start:
                cyclic.append(start)
                break
            if symbol not in seen:
                seen.add(symbol)
                stack += uses[symbol]
    return cyclic
