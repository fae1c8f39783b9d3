"""Sentence frames: draws a sentence of a grammar that says every present argument exactly once.

A text with `when: {argument: pattern}` is used only where the argument's value matches the whole pattern; an argument
that is absent counts as an empty value. For each rule the weights of its expansions are summed by the set of arguments
that they say, so that a draw never fails: it is known beforehand which alternatives lead to the wanted set.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from routenator.engine.prompting.english import tidy, with_article

_SYMBOL = re.compile(r"\{(a:)?([A-Za-z_]\w*)\}")
Said = frozenset[str]


@dataclass(frozen=True)
class Alternative:
    """One text of a rule."""

    text: str
    weight: float
    when: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Frames:
    """A grammar over the arguments of one function."""

    name: str
    functions: tuple[str, ...]
    rules: dict[str, list[Alternative]]

    def symbols(self) -> set[str]:
        """Every symbol that a text uses."""
        return {name for rule in self.rules.values() for option in rule for _, name in _SYMBOL.findall(option.text)}

    def weigh(self, values: Mapping[str, str]) -> Draw:
        """Prepare draws for the present arguments and their values."""
        return Draw(self, values)


class Draw:
    """Weights of every rule by the set of arguments that its expansions say."""

    def __init__(self, frames: Frames, values: Mapping[str, str]) -> None:
        self.frames, self.values = frames, values
        self.weights: dict[str, dict[Said, float]] = {}

    def _symbol(self, name: str) -> dict[Said, float]:
        if name not in self.frames.rules:
            return {frozenset({name}): 1.0} if name in self.values else {}
        if name not in self.weights:
            total: dict[Said, float] = defaultdict(float)
            for option in self.frames.rules[name]:
                for said, weight in self._option(option)[-1].items():
                    total[said] += weight * option.weight
            self.weights[name] = dict(total)
        return self.weights[name]

    def _option(self, option: Alternative) -> list[dict[Said, float]]:
        """Weights after the first, the second … symbol of the text."""
        fits = all(re.fullmatch(pattern, self.values.get(name, "")) for name, pattern in option.when.items())
        steps: list[dict[Said, float]] = [{frozenset(): 1.0} if fits else {}]
        for _, name in _SYMBOL.findall(option.text):
            after: dict[Said, float] = defaultdict(float)
            for said, weight in steps[-1].items():
                for more, other in self._symbol(name).items():
                    if not said & more:
                        after[said | more] += weight * other
            steps.append(dict(after))
        return steps

    def can_say(self, start: str) -> bool:
        """Whether some sentence says all that is present and nothing else."""
        return self._symbol(start).get(frozenset(self.values), 0.0) > 0

    def say(self, start: str, rng: random.Random) -> str:
        """A sentence; `can_say` must hold."""
        return tidy(self._expand(start, frozenset(self.values), rng))

    def _expand(self, name: str, wanted: Said, rng: random.Random) -> str:
        if name not in self.frames.rules:
            return self.values[name]
        options = self.frames.rules[name]
        steps = [self._option(option) for option in options]
        chances = [option.weight * made[-1].get(wanted, 0.0) for option, made in zip(options, steps, strict=True)]
        at = rng.choices(range(len(options)), chances)[0]
        names = [found for _, found in _SYMBOL.findall(options[at].text)]
        parts: list[Said] = []
        rest = wanted
        for place in reversed(range(len(names))):
            pairs = [
                (more, weight * steps[at][place].get(rest - more, 0.0))
                for more, weight in self._symbol(names[place]).items()
                if more <= rest
            ]
            chosen = rng.choices([more for more, _ in pairs], [weight for _, weight in pairs])[0]
            parts.append(chosen)
            rest = rest - chosen
        said = iter(reversed(parts))
        return _SYMBOL.sub(
            lambda match: with_article(match[1], self._expand(match[2], next(said), rng)), options[at].text
        )


def load_frames(path: Path) -> Frames:
    """Read a grammar file."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    rules = {
        name: [
            Alternative(o, 1.0)
            if isinstance(o, str)
            else Alternative(o["text"], o.get("weight", 1.0), o.get("when", {}))
            for o in options
        ]
        for name, options in loaded["rules"].items()
    }
    return Frames(path.stem, tuple(loaded["functions"]), rules)
