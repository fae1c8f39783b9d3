"""Heuristic routes: a weighted grammar in a file, expanded until a query fits the stratum."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.alternative import SYMBOL, Weighted
from routenator.engine.prompting.english import is_plural, is_uncountable, tidy, with_article
from routenator.engine.prompting.frames import Frames
from routenator.engine.prompting.template import Serves
from routenator.engine.routing.targets import PHRASINGS
from routenator.engine.sample import Stratum
from routenator.engine.yaml_source import FieldPath, YamlSource, load_yaml, validate_yaml

_PLAIN_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_STUTTER = re.compile(r"\b(\w+) \1\b")
MAX_TRIES = 200
MAX_SYMBOLS = 200
"""Most symbols that one expansion may pass; without it thirty rules that double one another never end."""
UNFIT = "unfit"
"""Error class of an attempt whose walk no expansion fits into the stratum; another walk may fit."""
SLOT_SYMBOLS = frozenset({"keyword", "keywords", "purpose", "kind", "subject", "action"})
"""Symbols that every sample provides, besides one for each node type of its pack's walk; see `slot_values`."""
NO_ARGUMENTS: Mapping[str, frozenset[str]] = MappingProxyType({})
"""For a pack no function of which has an argument that is spoken as it stands."""


class GrammarFile(Serves):
    """A ``heuristic/*.yaml`` file: ``rules`` maps a symbol to alternatives.

    Expansion starts at the rule that is called like the stratum's phrasing, or else at ``query``.

    ``{name}`` in a text is another rule, or a value of the sample: ``{keyword}`` and ``{keywords}`` (a word for the
    category in the singular and in the plural), a node type of the walk (``{SceneObject}``: its label or one of its
    aliases), or, for grammars that serve any pack, a node by its place: ``{purpose}`` the first, ``{kind}`` the second,
    ``{subject}`` the last but one, ``{action}`` the last. ``{a:name}`` puts the English indefinite article before it,
    or none before a plural or an uncountable.

    A grammar whose ``functions`` all have arguments that are spoken as they stand is a grammar of sentence frames: its
    symbols are rules and the names of those arguments, nothing else, and each sentence says every argument that the
    sample has, once. Only there a text may have conditions; see `Weighted`.
    """

    modality: Literal["heuristic"] = "heuristic"
    description: str = ""
    rules: dict[str, tuple[str | Weighted, ...]]

    def alternatives(self) -> dict[str, list[Weighted]]:
        """The rules, with the weight 1 where none is written."""
        return {
            symbol: [Weighted(text=option) if isinstance(option, str) else option for option in options]
            for symbol, options in self.rules.items()
        }

    def serves(self, stratum: Stratum) -> bool:
        """Whether a slot of ``stratum`` may use it: there is a rule to start from as well."""
        return super().serves(stratum) and ("query" in self.rules or stratum.phrasing in self.rules)


@dataclass(frozen=True)
class _Rule:
    texts: tuple[str, ...]
    cumulative: tuple[float, ...]


@dataclass(frozen=True)
class Grammar:
    """A checked grammar. ``name`` is its path below the prompts folder without the suffix.

    `generate` expands it over a walk; `say` is for sentence frames, those with `argument_names`.
    """

    name: str
    file: str
    meta: GrammarFile
    rules: Mapping[str, _Rule]
    argument_names: frozenset[str] = frozenset()

    @cached_property
    def _frames(self) -> Frames:
        return Frames(self.meta.alternatives(), self.argument_names)

    def _start(self, phrasing: str) -> str:
        return phrasing if phrasing in self.rules else "query"

    @cached_property
    def literal_words(self) -> tuple[str, ...]:
        """The plain words of `literal_texts`, in small letters, each once."""
        found = (word.lower() for text in self.literal_texts() for word in _PLAIN_WORD.findall(text))
        return tuple(sorted(dict.fromkeys(found)))

    def literal_texts(self) -> tuple[str, ...]:
        """All that its texts say around their symbols, each once: the words that carry the values."""
        options = [option for rule in self.meta.alternatives().values() for option in rule]
        return tuple(dict.fromkeys(piece for option in options for piece in option.literals()))

    def say(
        self, phrasing: str, values: Mapping[str, str], seed: int, fits: Callable[[str], bool]
    ) -> tuple[str | None, int]:
        """Draw sentences that say each of ``values`` once, as it stands, and no other argument, until ``fits`` agrees.

        Args:
            phrasing: The stratum's phrasing, which names the rule to start from.
            values: Argument → its value; no other argument is present.
            seed: Same seed, same sentence.
            fits: Whether a sentence passes.

        Returns:
            The sentence, or ``None`` after `MAX_TRIES` draws, and the number of draws: 0 when the phrasing cannot say
            the arguments together.
        """
        draw = self._frames.prepare(self._start(phrasing), values)
        if draw is None:
            return None, 0
        rng = random.Random(seed)
        for tries in range(1, MAX_TRIES + 1):
            query = draw.say(rng)
            if query and fits(query):
                return query, tries
        return None, MAX_TRIES

    def expand(self, start: str, values: Mapping[str, tuple[str, ...]], rng: random.Random) -> str:
        """One random expansion of ``start``; each slot symbol keeps one value throughout. ``""``: it is of no use."""
        chosen = {options: rng.choice(options) for options in values.values() if options}
        fixed = {name: chosen[options] for name, options in values.items() if options}
        lacks = False

        def expand_symbol(name: str) -> str:
            nonlocal lacks
            rule = self.rules.get(name)
            if rule is None:
                lacks = lacks or not fixed.get(name)
                return fixed.get(name, "")
            text = rng.choices(rule.texts, cum_weights=rule.cumulative)[0]
            return SYMBOL.sub(lambda match: with_article(match[1], expand_symbol(match[2])), text)

        query = tidy(expand_symbol(start))
        # A label may hold the category's word: "app icon" and "icon" must not meet.
        return "" if lacks or _STUTTER.search(query) else query

    def generate(
        self, phrasing: str, values: Mapping[str, tuple[str, ...]], seed: int, fits: Callable[[str], bool]
    ) -> tuple[str | None, int]:
        """Expand until ``fits`` agrees.

        Args:
            phrasing: The stratum's phrasing, which names the rule to start from.
            values: Slot symbol → its possible surface forms.
            seed: Same seed, same query.
            fits: Whether a query passes.

        Returns:
            The query, or ``None`` after `MAX_TRIES` expansions, and the number of expansions.
        """
        rng = random.Random(seed)
        start = self._start(phrasing)
        for tries in range(1, MAX_TRIES + 1):
            query = self.expand(start, values, rng)
            if query and fits(query):
                return query, tries
        return None, MAX_TRIES


def slot_values(nodes: Sequence[tuple[str, tuple[str, ...]]], keywords: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values of a sample's symbols.

    Args:
        nodes: Type and surface forms of each node of the walk, in order; at least two.
        keywords: Words for the category, the plain name first; none where the query shall not name it.
    """
    by_place = {"purpose": 0, "kind": 1, "subject": len(nodes) - 2, "action": len(nodes) - 1}
    singular = [word for word in keywords if is_uncountable(word) or not is_plural(word)]
    plural = [word for word in keywords if is_uncountable(word) or is_plural(word)]
    named = {"keyword": favour_first(singular), "keywords": favour_first(plural)}
    return dict(nodes) | {name: nodes[place][1] for name, place in by_place.items()} | named


def favour_first(words: Sequence[str]) -> tuple[str, ...]:
    """People mostly say the plain name: it weighs as much as all its synonyms together."""
    return (*words, *[words[0]] * (len(words) - 2)) if words else ()


def load_grammar(
    path: Path, name: str, node_types: frozenset[str], arguments: Mapping[str, frozenset[str]] = NO_ARGUMENTS
) -> Grammar:
    """Read and check a grammar file.

    Args:
        path: The YAML file.
        name: Name for traces.
        node_types: Node types of the pack's walk: symbols that a text may use.
        arguments: Function → those of its arguments whose values are spoken as they stand.

    Raises:
        PromptError: With every fault of the file.
    """
    source = load_yaml(path, PromptError)
    meta = validate_yaml(GrammarFile, source, PromptError)
    spoken = [arguments.get(function, frozenset()) for function in meta.functions]
    names = frozenset[str]().union(*spoken) if all(spoken) else frozenset()
    faults: list[Fault] = []
    if not {"query", *PHRASINGS} & set(meta.rules):
        fix = f"Add `query`, or one for each phrasing: {', '.join(PHRASINGS)}"
        faults.append(source.fault(("rules",), "no rule to start from", fix))
    values = names or SLOT_SYMBOLS | node_types
    rules: dict[str, _Rule] = {}
    for symbol, options in meta.alternatives().items():
        if symbol in values:
            faults.append(
                source.fault(("rules", symbol), "this name belongs to a value of the sample", "Rename the rule")
            )
        if not options:
            faults.append(source.fault(("rules", symbol), "no alternative", "Add at least one text"))
            continue
        for i, option in enumerate(options):
            faults += _check_text(source, ("rules", symbol, i), option, values.union(meta.rules))
            faults += _check_conditions(source, ("rules", symbol, i, "when"), option, names)
        rules[symbol] = _Rule(tuple(o.text for o in options), tuple(accumulate(o.weight for o in options)))
    faults += [source.fault(("rules", symbol), message, fix) for symbol, message, fix in _find_endless(rules)]
    if faults:
        raise PromptError(faults)
    return Grammar(name, str(path), meta, rules, names)


def _check_text(source: YamlSource, at: FieldPath, option: Weighted, known: frozenset[str]) -> Iterator[Fault]:
    for used in option.symbols():
        if used not in known:
            yield source.fault(at, f"unknown symbol {{{used}}}", f"The symbols are {', '.join(sorted(known))}")
    if re.search(r"[{}]", SYMBOL.sub("", option.text)):
        yield source.fault(at, f"stray brace in {option.text!r}", "Write a symbol as {name} or {a:name}")


def _check_conditions(source: YamlSource, at: FieldPath, option: Weighted, names: frozenset[str]) -> Iterator[Fault]:
    for name, pattern in option.when.items():
        if name not in names:
            fix = f"The arguments are {', '.join(sorted(names))}" if names else "Remove it: there are no arguments here"
            yield source.fault((*at, name), f"unknown argument {name!r}", fix)
        try:
            re.compile(pattern)
        except re.error as exc:
            yield source.fault((*at, name), f"not a regular expression: {exc}", "Correct the pattern")


def _find_endless(rules: Mapping[str, _Rule]) -> list[tuple[str, str, str]]:
    """Rules that contain themselves, or else the innermost one that grows too long: symbol, what is wrong, the fix."""
    uses = {
        symbol: [[used for _, used in SYMBOL.findall(text)] for text in rule.texts] for symbol, rule in rules.items()
    }
    inner = {symbol: {used for text in texts for used in text} for symbol, texts in uses.items()}
    longest: dict[str, int] = {}
    try:
        for symbol in TopologicalSorter(inner).static_order():
            longest[symbol] = 1 + max((sum(longest[used] for used in text) for text in uses.get(symbol, ())), default=0)
            if longest[symbol] > MAX_SYMBOLS:
                return [(symbol, f"an expansion may pass over {MAX_SYMBOLS} symbols", "Use fewer symbols in its texts")]
    except CycleError as exc:
        cycle: list[str] = exc.args[1][1:]
        return [(symbol, "the rule contains itself", "Break the cycle") for symbol in cycle]
    return []
