"""All prompts of a run: the shipped ones, overridden and extended by the pack's own."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path

from routenator.engine.errors import Fault, PromptError
from routenator.engine.prompting.grammar import NO_ARGUMENTS, Grammar, load_grammar
from routenator.engine.prompting.template import PromptTemplate, load_template
from routenator.engine.sample import MODALITIES, Stratum

Prompt = PromptTemplate | Grammar
PROMPT_FOLDERS: tuple[str, ...] = (*MODALITIES, "judge")


SERVED_AXES = ("route", "function", "category", "language", "phrasing", "length")
"""Axes by which prompts are chosen."""


def shipped_prompts() -> Path:
    """Folder of the prompts that come with the package."""
    return Path(str(resources.files("routenator") / "prompts"))


def _load_prompt(
    path: Path, folder: str, node_types: frozenset[str], arguments: Mapping[str, frozenset[str]]
) -> Prompt:
    name = f"{folder}/{path.stem}"
    if folder == "heuristic":
        return load_grammar(path, name, node_types, arguments)
    template = load_template(path, name)
    if template.meta.modality != folder:
        fix = f"Move the file to {template.meta.modality}/, or write `modality: {folder}`"
        raise PromptError([Fault(str(path), f"modality is {template.meta.modality}, the folder is {folder}", fix)])
    return template


@dataclass(frozen=True)
class PromptLibrary:
    """Prompts by name, such as ``text/plain``; a later folder's prompt replaces an earlier one of the same name."""

    prompts: Mapping[str, Prompt]
    spoken: frozenset[str] = frozenset()
    """Functions whose arguments are spoken: only grammars over their arguments serve them."""
    drafts: Mapping[str, tuple[Grammar, ...]] = field(default_factory=dict)
    """Function whose arguments are spoken → the grammars over them, whether or not they serve: their sentences lend
    the prompts of weak models their skeleton."""

    @classmethod
    def load(
        cls,
        folders: Iterable[Path],
        node_types: Iterable[str],
        arguments: Mapping[str, frozenset[str]] = NO_ARGUMENTS,
    ) -> PromptLibrary:
        """Load every ``heuristic/*.yaml`` and ``{text,vision,judge}/*.md`` below ``folders``.

        Args:
            folders: Prompt folders, weakest first; one that does not exist is skipped.
            node_types: Node types of the pack's walk, which grammars may name.
            arguments: Function → those of its arguments whose values are spoken as they stand, for sentence frames.

        Raises:
            PromptError: With the faults of all files.
        """
        types = frozenset(node_types)
        prompts: dict[str, Prompt] = {}
        faults: list[Fault] = []
        for folder in folders:
            for kind in PROMPT_FOLDERS:
                pattern = "*.yaml" if kind == "heuristic" else "*.md"
                for path in sorted((folder / kind).glob(pattern)):
                    try:
                        prompt = _load_prompt(path, kind, types, arguments)
                    except PromptError as exc:
                        faults += exc.faults
                    else:
                        prompts[prompt.name] = prompt
        if faults:
            raise PromptError(faults)
        grammars = [prompt for prompt in prompts.values() if isinstance(prompt, Grammar) and prompt.argument_names]
        drafts = {name: tuple(g for g in grammars if name in g.meta.functions) for name in arguments}
        return cls(prompts, frozenset(arguments), drafts)

    def restrict(self, names: Collection[str]) -> PromptLibrary:
        """These prompts, and the judge's."""
        kept = {name: prompt for name, prompt in self.prompts.items() if name in names or name.startswith("judge/")}
        return replace(self, prompts=kept)

    @cached_property
    def _chosen(self) -> dict[tuple[str, ...], tuple[list[Prompt], list[float]]]:
        return {}

    def serving(self, stratum: Stratum) -> list[Prompt]:
        """Prompts of the stratum's route that serve it, in name order."""
        return [
            prompt
            for name, prompt in sorted(self.prompts.items())
            if name.startswith(f"{stratum.route}/") and prompt.meta.serves(stratum) and self._speaks(prompt, stratum)
        ]

    def _speaks(self, prompt: Prompt, stratum: Stratum) -> bool:
        return not isinstance(prompt, Grammar) or bool(prompt.argument_names) == (stratum.function in self.spoken)

    def literal_texts(self) -> tuple[str, ...]:
        """What the grammars over arguments say beside the arguments' values."""
        grammars = {grammar.name: grammar for grammars in self.drafts.values() for grammar in grammars}
        return tuple(text for grammar in grammars.values() for text in grammar.literal_texts())

    def choose(self, stratum: Stratum, seed: int) -> Prompt | None:
        """Weighted draw among the prompts that serve ``stratum``, by ``seed``. ``None``: none serves."""
        key = tuple(getattr(stratum, axis) for axis in SERVED_AXES)
        if key not in self._chosen:
            serving = self.serving(stratum)
            self._chosen[key] = serving, list(itertools.accumulate(prompt.meta.weight for prompt in serving))
        prompts, cumulative = self._chosen[key]
        if not prompts:
            return None
        point = (seed % 2**53) / 2**53 * cumulative[-1]
        return prompts[min(bisect.bisect_right(cumulative, point), len(prompts) - 1)]

    def template(self, name: str) -> PromptTemplate:
        """The chat template called ``name``.

        Raises:
            PromptError: There is none.
        """
        prompt = self.prompts.get(name)
        if not isinstance(prompt, PromptTemplate):
            raise PromptError([Fault(name, "no such prompt", "Add the file to a prompts folder")])
        return prompt
