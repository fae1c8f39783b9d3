"""Few-shot examples: real-sounding queries that come with a pack, chosen to look like the slot that is to be filled."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import ValidationError

from routenator.engine.config import Strict
from routenator.engine.errors import Fault, PromptError
from routenator.engine.sample import Stratum
from routenator.engine.yaml_source import read_text

EXAMPLES_FILE = "examples.jsonl"
_AXIS_WEIGHTS = {"phrasing": 3, "keyword_position": 2, "length": 2, "category": 1}


class Example(Strict):
    """A line of ``prompts/examples.jsonl``: a query that a person would type, and the walk that it expresses."""

    function: str
    category: str
    query: str
    nodes: dict[str, str]
    """Node type → label, as a walk would give it."""
    keyword: str = ""
    """The word by which the query names its category; empty when it does not."""
    language: str = "en"


def load_examples(folders: Iterable[Path]) -> tuple[Example, ...]:
    """Read ``examples.jsonl`` of every folder that has one.

    Raises:
        PromptError: With every faulty line.
    """
    examples: list[Example] = []
    faults: list[Fault] = []
    for folder in folders:
        path = folder / EXAMPLES_FILE
        if not path.exists():
            continue
        for number, line in enumerate(read_text(path, PromptError).splitlines(), start=1):
            if not line.strip():
                continue
            try:
                examples.append(Example.model_validate(orjson.loads(line)))
            except orjson.JSONDecodeError as exc:
                faults.append(Fault(str(path), f"not valid JSON: {exc.msg}", "Correct the line", number))
            except ValidationError as exc:
                faults += [
                    Fault(str(path), item["msg"], "Correct the line", number, ".".join(map(str, item["loc"])))
                    for item in exc.errors()
                ]
    if faults:
        raise PromptError(faults)
    return tuple(examples)


@dataclass(frozen=True)
class ExampleBank:
    """Examples with the stratum that each would fill.

    Attributes:
        measured: Each example with its stratum; the route and the length are not those of a slot: ``length`` holds
            the number of words.
    """

    measured: tuple[tuple[Example, Stratum], ...]
    queries: frozenset[str] = frozenset()
    _ranked: dict[Stratum, tuple[list[Example], list[Example]]] = field(default_factory=dict, compare=False)

    @classmethod
    def build(cls, examples: Iterable[Example], measure: Callable[[Example], Stratum]) -> ExampleBank:
        """Measure every example once."""
        kept = tuple((example, measure(example)) for example in examples)
        return cls(kept, frozenset(example.query.casefold() for example, _ in kept))

    def choose(self, stratum: Stratum, count: int, seed: int) -> list[Example]:
        """``count`` examples of the stratum's function and language, most alike ones preferred, in a seeded order.

        Alike means the same phrasing, keyword position, length band and category, in this order of weight. Two thirds
        are drawn from the most alike, the others from the next, so that two slots of one stratum see different turns.
        """
        if stratum not in self._ranked:
            ranked = sorted(
                (example for example in self.measured if self._eligible(example, stratum)),
                key=lambda example: -_likeness(example[1], stratum),
            )
            near, far = ranked[: 2 * count], ranked[2 * count : 4 * count]
            self._ranked[stratum] = [example for example, _ in near], [example for example, _ in far]
        near_examples, far_examples = self._ranked[stratum]
        rng = random.Random(seed)
        taken = rng.sample(near_examples, min(len(near_examples), count - count // 3))
        taken += rng.sample(far_examples, min(len(far_examples), count - len(taken)))
        # The last turn before the question weighs most: the most alike ones come last.
        return taken[::-1]

    @staticmethod
    def _eligible(item: tuple[Example, Stratum], stratum: Stratum) -> bool:
        return item[0].function == stratum.function and item[0].language == stratum.language


def _likeness(example: Stratum, stratum: Stratum) -> float:
    score = 0.0
    for axis, weight in _AXIS_WEIGHTS.items():
        wanted, got = getattr(stratum, axis), getattr(example, axis)
        if axis == "length" and "-" in wanted:
            low, high = map(int, wanted.split("-"))
            words = int(got)
            score += weight * max(0.0, 1 - max(low - words, words - high, 0) / 4)
        elif wanted == got:
            score += weight
    return score
