"""Few-shot examples: real-sounding queries that come with a pack, chosen to look like the slot that is to be filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import Field, ValidationError, model_validator

from routenator.engine.config import Strict
from routenator.engine.errors import Fault, PromptError
from routenator.engine.sample import ANY, Stratum
from routenator.engine.yaml_source import read_text

EXAMPLES_FILE = "examples.jsonl"
Messages = tuple[dict[str, Any], ...]
"""Chat messages in OpenAI's form."""
_AXIS_WEIGHTS = {"phrasing": 3, "keyword_position": 3, "length": 2}


class Example(Strict):
    """A line of ``prompts/examples.jsonl``: a query that a person would type, and the walk that it expresses."""

    function: str
    category: str
    query: str
    nodes: dict[str, str] = Field(default_factory=dict)
    """Node type → label, as a walk would give it."""
    arguments: dict[str, str] = Field(default_factory=dict)
    """Argument → value, as it stands in the query, for functions whose arguments are spoken."""
    keyword: str = ""
    """The word by which the query names its category; empty when it does not."""
    language: str = "en"

    @model_validator(mode="after")
    def _says_what_it_expresses(self) -> Example:
        if not self.nodes and not self.arguments:
            raise ValueError("an example has nodes, or arguments where these are spoken")
        return self


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
        for number, line in enumerate(read_text(path, PromptError).split("\n"), start=1):
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


class ExampleKind(NamedTuple):
    """Slots of one kind are shown the same examples."""

    function: str
    language: str
    phrasing: str
    keyword_position: str
    length: str


@dataclass(frozen=True)
class ExampleBank:
    """Examples with the stratum that each would fill.

    Attributes:
        measured: Each example with its stratum; the route and the length are not those of a slot: ``length`` holds
            the number of words.
    """

    measured: tuple[tuple[Example, Stratum], ...]
    queries: frozenset[str] = frozenset()
    _chosen: dict[tuple[ExampleKind, int], list[Example]] = field(default_factory=dict, compare=False)
    _rendered: dict[tuple[ExampleKind, str], Messages] = field(default_factory=dict, compare=False)

    @classmethod
    def build(cls, examples: Iterable[Example], measure: Callable[[Example], Stratum]) -> ExampleBank:
        """Measure every example once."""
        kept = tuple((example, measure(example)) for example in examples)
        return cls(kept, frozenset(example.query.casefold() for example, _ in kept))

    def choose(self, stratum: Stratum, count: int) -> list[Example]:
        """``count`` examples of the stratum's function and language with its phrasing, keyword position and length.

        The same for every slot of this kind: a server that has seen a prompt's beginning reuses it, and on the embedded
        model a request with a known beginning costs a third of the CPU of one with a new one. What varies is the walk.
        """
        kind = example_kind(stratum)
        key = (kind, count)
        if key not in self._chosen:
            eligible = [item for item in self.measured if (item[0].function, item[0].language) == kind[:2]]
            ranked = sorted(eligible, key=lambda item: -_likeness(item[1], kind))
            self._chosen[key] = _spread(ranked, count)
        return self._chosen[key]

    def render_once(
        self, template: str, stratum: Stratum, count: int, render: Callable[[list[Example]], Messages]
    ) -> Messages:
        """What ``render`` makes of `choose`, made once for each kind of stratum and ``template`` (its name).

        The few-shot turns are most of a prompt; rendering them for each sample costs more CPU than sending it.
        """
        key = (example_kind(stratum), template)
        if key not in self._rendered:
            self._rendered[key] = render(self.choose(stratum, count))
        return self._rendered[key]


def example_kind(stratum: Stratum) -> ExampleKind:
    """What chooses the examples for a slot.

    Where arguments are spoken it is the phrasing alone: hundreds of combinations of arguments would each be a beginning
    of a prompt that no server has seen.
    """
    if stratum.arguments != ANY:
        return ExampleKind(stratum.function, stratum.language, stratum.phrasing, ANY, ANY)
    return ExampleKind(stratum.function, stratum.language, stratum.phrasing, stratum.keyword_position, stratum.length)


def _spread(ranked: list[tuple[Example, Stratum]], count: int) -> list[Example]:
    """The most alike ones, of different categories as far as that goes; the most alike comes last."""
    taken: list[Example] = []
    for example, _ in ranked[: 2 * count]:
        if len(taken) < count and example.category not in {other.category for other in taken}:
            taken.append(example)
    taken += [example for example, _ in ranked if example not in taken][: count - len(taken)]
    return taken[::-1]


def _likeness(example: Stratum, kind: ExampleKind) -> float:
    score = 0.0
    for axis, weight in _AXIS_WEIGHTS.items():
        wanted, got = getattr(kind, axis), getattr(example, axis)
        if axis == "length" and "-" in wanted:
            low, high = map(int, wanted.split("-"))
            words = int(got)
            score += weight * max(0.0, 1 - max(low - words, words - high, 0) / 4)
        elif wanted == got:
            score += weight
    return score
