"""Sentence frames: sentences over several arguments that say each present argument exactly once.

Trial and error would mostly fail: of the expansions of a grammar over ten arguments few say just the wanted three.
So for each rule the weights of its expansions are summed by the set of arguments that they say, and a draw takes only
alternatives that lead to the wanted set, as often as their expansions weigh.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

from routenator.engine.prompting.alternative import SYMBOL, Weighted
from routenator.engine.prompting.english import tidy, with_article
from routenator.engine.prompting.frame_table import Alternative, Table

MAX_TABLES = 1024
"""Most tables that a grammar keeps."""


class Frames:
    """The compiled rules of a grammar over arguments.

    Args:
        rules: Symbol → its alternatives. They have been checked: conditions are regular expressions, no symbol is
            unknown, no rule contains itself.
        arguments: Names of the arguments that a sentence may say.
    """

    def __init__(self, rules: Mapping[str, Sequence[Weighted]], arguments: frozenset[str]) -> None:
        self.arguments = arguments
        self._bits = {name: 1 << place for place, name in enumerate(sorted(arguments))}
        written = dict.fromkeys(pair for rule in rules.values() for option in rule for pair in option.when.items())
        bits = {pair: 1 << place for place, pair in enumerate(written)}
        self._conditions: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
        for (name, pattern), bit in bits.items():
            self._conditions.setdefault(name, []).append((bit, re.compile(pattern)))
        self._rules = {
            symbol: [_take_apart(option, sum(bits[pair] for pair in option.when.items())) for option in options]
            for symbol, options in rules.items()
        }
        self._absent = {name: self._match(name, "") for name in self._conditions}
        self._table = lru_cache(MAX_TABLES)(partial(Table, self._rules, self._bits))

    def _match(self, name: str, value: str) -> int:
        return sum(bit for bit, pattern in self._conditions[name] if pattern.fullmatch(value))

    def prepare(self, start: str, values: Mapping[str, str]) -> Draw | None:
        """Prepare draws from the rule ``start``. ``None``: no sentence of it says all ``values`` and nothing else."""
        if start not in self._rules or not self.arguments.issuperset(values):
            return None
        wanted = sum(self._bits[name] for name in values)
        holds = sum(
            self._match(name, values[name]) if name in values else absent for name, absent in self._absent.items()
        )
        table = self._table(wanted, holds)
        return Draw(self._rules, table, start, wanted, values) if table.weigh(start).get(wanted) else None


def _take_apart(option: Weighted, needs: int) -> Alternative:
    parts = SYMBOL.split(option.text)  # text, article, symbol, text, …
    return Alternative(tuple(parts[::3]), tuple(parts[1::3]), tuple(parts[2::3]), option.weight, needs)


class Draw:
    """Draws sentences that say ``values``, all of them and nothing else."""

    def __init__(
        self,
        rules: Mapping[str, Sequence[Alternative]],
        table: Table,
        start: str,
        wanted: int,
        values: Mapping[str, str],
    ) -> None:
        self._rules, self._table, self._start, self._wanted, self._values = rules, table, start, wanted, values

    def say(self, rng: random.Random) -> str:
        """One sentence. The values go in last and as they stand: tidying would pull ``.38 Special`` to its verb."""
        return self._fill(tidy(self._expand(self._start, self._wanted, rng)))

    def _fill(self, text: str) -> str:
        return SYMBOL.sub(lambda match: self._values[match[2]], text)

    def _expand(self, symbol: str, wanted: int, rng: random.Random) -> str:
        """An expansion in which arguments are still symbols."""
        if symbol not in self._rules:
            return f"{{{symbol}}}"
        option = self._table.draw_alternative(symbol, wanted, rng)
        text = option.pieces[0]
        shares = self._table.share_out(option, wanted, rng)
        for inner, share, article, piece in zip(
            option.symbols, shares, option.articles, option.pieces[1:], strict=True
        ):
            said = self._expand(inner, share, rng)
            if article:
                filled = self._fill(said)
                said = with_article(article, filled).removesuffix(filled) + said
            text += said + piece
        return text
