"""Which alternatives of a grammar over arguments lead to which set of arguments, and how often.

A set is an integer, one bit an argument.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

Item = TypeVar("Item")
Weights = dict[int, float]
"""Set of arguments → chance of the expansions that say it, each argument once."""


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """A text taken apart: ``pieces`` stand around ``symbols``; ``needs`` has one bit for each of its conditions."""

    pieces: tuple[str, ...]
    articles: tuple[str | None, ...]
    symbols: tuple[str, ...]
    weight: float
    needs: int


class _Choice(Generic[Item]):
    """A weighted choice; items without weight are left out."""

    __slots__ = ("_cumulative", "_items")

    def __init__(self, pairs: Iterable[tuple[Item, float]]) -> None:
        kept = [(item, weight) for item, weight in pairs if weight]
        self._items = [item for item, _ in kept]
        self._cumulative = list(accumulate(weight for _, weight in kept))

    def draw(self, rng: random.Random) -> Item:
        last = len(self._items) - 1
        return self._items[bisect(self._cumulative, rng.random() * self._cumulative[-1], 0, last) if last else 0]


class Table:
    """Weights of rules for one set of present arguments and one set of conditions that hold; made when asked for.

    Args:
        rules: Symbol → its alternatives.
        bits: Argument → its bit.
        present: The arguments that have a value.
        holds: The conditions that hold.
    """

    def __init__(
        self, rules: Mapping[str, Sequence[Alternative]], bits: Mapping[str, int], present: int, holds: int
    ) -> None:
        self._rules = rules
        self._lacking = ~holds
        self._weights: dict[str, Weights] = {name: {bit: 1.0} if bit & present else {} for name, bit in bits.items()}
        self._choices: dict[tuple[str, int], _Choice[Alternative]] = {}
        self._shares: dict[tuple[Alternative, int, int], _Choice[int]] = {}
        self._steps: dict[Alternative, list[Weights]] = {}

    def weigh(self, symbol: str) -> Weights:
        """Chances of the sets that the expansions of a rule, or an argument, say.

        Alternatives are chosen by their weight among those that can be said: twelve ways to say "please" make it no
        likelier that it is said.
        """
        if symbol not in self._weights:
            total: Weights = defaultdict(float)
            sum_of_weights = 0.0
            for option in self._rules[symbol]:
                if said_by := self._weigh_steps(option)[-1]:
                    sum_of_weights += option.weight
                    for said, weight in said_by.items():
                        total[said] += weight * option.weight
            self._weights[symbol] = {said: weight / sum_of_weights for said, weight in total.items()}
        return self._weights[symbol]

    def _weigh_steps(self, option: Alternative) -> list[Weights]:
        """Weights before the first symbol of the text, after it, after the second …; one ``{}`` if it leads nowhere."""
        if option.needs & self._lacking:
            return [{}]
        steps: list[Weights] = [{0: 1.0}]
        for symbol in option.symbols:
            inner = self.weigh(symbol)
            if not inner:
                return [{}]
            after: Weights = {}
            for said, weight in steps[-1].items():
                for more, other in inner.items():
                    if not said & more:
                        after[said | more] = after.get(said | more, 0.0) + weight * other
            steps.append(after)
        return steps

    def draw_alternative(self, symbol: str, wanted: int, rng: random.Random) -> Alternative:
        """An alternative of a rule that can say ``wanted``; `weigh` gives it a weight."""
        choice = self._choices.get((symbol, wanted))
        if choice is None:
            weighed = [(o, o.weight * self._weigh_steps(o)[-1].get(wanted, 0.0)) for o in self._rules[symbol]]
            choice = self._choices[symbol, wanted] = _Choice(weighed)
        return choice.draw(rng)

    def share_out(self, option: Alternative, wanted: int, rng: random.Random) -> list[int]:
        """The set that each symbol of an alternative says, together ``wanted``."""
        shares = [0] * len(option.symbols)
        for place in range(len(shares) - 1, 0, -1):
            choice = self._shares.get((option, place, wanted))
            if choice is None:
                if option not in self._steps:
                    self._steps[option] = self._weigh_steps(option)
                before = self._steps[option][place]
                inner = self.weigh(option.symbols[place])
                pairs = [(s, w * before.get(wanted & ~s, 0.0)) for s, w in inner.items() if not s & ~wanted]
                choice = self._shares[option, place, wanted] = _Choice(pairs)
            shares[place] = choice.draw(rng)
            wanted &= ~shares[place]
        if shares:
            shares[0] = wanted
        return shares
