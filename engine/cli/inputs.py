"""Everything that a run is made from, loaded and checked before anything is spent."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from routenator.engine.config import EndpointsFile, Recipe, load_endpoints, load_recipe
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import NO_CATEGORY, DomainPack
from routenator.engine.domain.pack_paths import resolve_pack
from routenator.engine.errors import ConfigError, Fault, PromptError, RunError
from routenator.engine.prompting.examples import Example, ExampleBank, load_examples
from routenator.engine.prompting.library import SERVED_AXES, PromptLibrary, shipped_prompts
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.routing.fitting import FittedTable, fit_targets
from routenator.engine.routing.route_shares import with_routes
from routenator.engine.routing.shares import UnsatisfiableTargets
from routenator.engine.sample import (
    ANY,
    NO_ARGUMENTS,
    Attempt,
    Candidate,
    ContentRef,
    Critique,
    Finding,
    Grounding,
    NodeRef,
    Stratum,
)
from routenator.engine.validation.features import measure
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords
from routenator.engine.validation.spans import find_spans

MAY_CHANGE = (
    "recipe.max_in_flight",
    "recipe.max_rounds",
    "recipe.min_delivered",
    "recipe.traces",
    "endpoints.endpoints.*.api_key_env",
    "endpoints.endpoints.*.base_url",
    "endpoints.endpoints.*.max_in_flight",
    "endpoints.endpoints.*.max_retries",
    "endpoints.endpoints.*.timeout_s",
    "endpoints.endpoints.*.transport",
    "endpoints.endpoints.*.weights",
)
"""What may differ when a run is continued: where and how fast its endpoints are asked, and when it has enough."""


@dataclass(frozen=True)
class RunInputs:
    """A recipe with all that it names. ``tables`` are the pack's targets, fitted, with the recipe's own routes."""

    recipe: Recipe
    endpoints: EndpointsFile
    pack: DomainPack
    prompts: PromptLibrary
    examples: ExampleBank
    lexicon: Lexicon
    outside: OutsideWords | None
    tables: tuple[FittedTable, ...]

    def identity(self) -> dict[str, Any]:
        """What makes a run this run; stored with it and compared when it is continued."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "endpoints": self.endpoints.model_dump(mode="json"),
            "pack_digest": self.pack.digest,
            "prompts_digest": _digest_folder(shipped_prompts()),
        }


def load_inputs(recipe_path: Path, overrides: Mapping[str, Any]) -> RunInputs:
    """Load a recipe and all that it names; paths in it are relative to its folder.

    Args:
        recipe_path: The recipe file.
        overrides: Recipe fields that were given on the command line; ``None`` values are left out.

    Raises:
        InputError: With the faults of the first kind of file that has any.
    """
    recipe = load_recipe(recipe_path)
    given = {key: value for key, value in overrides.items() if value is not None}
    if "endpoints" not in given:
        given["endpoints"] = str((recipe_path.parent / recipe.endpoints).resolve())
    given["pack"] = str(resolve_pack(recipe.pack, recipe_path.parent).resolve())
    recipe = Recipe.model_validate(recipe.model_dump() | given)
    return assemble_inputs(recipe, load_endpoints(Path(recipe.endpoints)))


def stored_inputs(meta: Mapping[str, Any]) -> RunInputs:
    """The inputs of a run that exists, from its own ``meta``.

    Raises:
        RunError: The run does not say what it was made from, or its pack is not the same any more.
    """
    identity = meta.get("identity") or {}
    if "recipe" not in identity or "endpoints" not in identity:
        raise RunError("the run does not say its recipe", hint="Start it with `generate`")
    endpoints = EndpointsFile.model_validate(identity["endpoints"])
    return assemble_inputs(Recipe.model_validate(identity["recipe"]), endpoints)


def assemble_inputs(recipe: Recipe, endpoints: EndpointsFile, pack: DomainPack | None = None) -> RunInputs:
    """Load pack (unless it is given), prompts and examples and check that every stratum can be served."""
    pack = pack or load_pack(recipe.pack)
    folders = [shipped_prompts(), pack.root / "prompts"]
    prompts = PromptLibrary.load(folders, pack.spec.walk, pack.spec.spoken_arguments)
    lexicon = Lexicon.from_pack(pack)

    def place(example: Example) -> Stratum:
        features = measure(example.query, example.language, example.category, lexicon)
        silent = NO_ARGUMENTS if example.function in pack.spec.spoken_arguments else ANY
        return Stratum(
            "text", example.function, example.category, example.language,
            str(features.words), features.phrasing, features.keyword_position,
            "+".join(sorted(example.arguments)) or silent,
        )  # fmt: skip

    known = _known_examples(folders, pack)
    examples = ExampleBank.build(known, place)
    outside = None
    if pack.spec.spoken_arguments:
        outside = OutsideWords.build(pack, lexicon, prompts.literal_texts(), known)
    prompts = _restrict_prompts(prompts, recipe.prompts)
    tables = _settle_shares(recipe, fit_targets(pack.targets))
    inputs = RunInputs(recipe, endpoints, pack, prompts, examples, lexicon, outside, tables)
    if faults := _find_unserved(inputs) + _find_faulty_prompts(inputs):
        raise PromptError(faults)
    return inputs


def _settle_shares(recipe: Recipe, tables: tuple[FittedTable, ...]) -> tuple[FittedTable, ...]:
    """The pack's tables, with the recipe's routes if it names any."""
    if not recipe.routes:
        return tables
    try:
        return with_routes(tables, {str(route): share for route, share in recipe.routes.items()})
    except UnsatisfiableTargets as exc:
        raise ConfigError([Fault("recipe", f.message, f.fix, field="routes") for f in exc.faults]) from None


def _restrict_prompts(library: PromptLibrary, names: tuple[str, ...]) -> PromptLibrary:
    """The prompts that the recipe names, and the judge's; all of them if it names none."""
    if not names:
        return library
    writers = [name for name in library.prompts if not name.startswith("judge/")]
    if unknown := [name for name in names if name not in writers]:
        fix = f"Name some of {', '.join(sorted(writers))}"
        raise ConfigError([Fault("recipe", f"there is no prompt {name!r}", fix, field="prompts") for name in unknown])
    return library.restrict(names)


def _known_examples(folders: list[Path], pack: DomainPack) -> list[Example]:
    """The examples, each of which must speak of the pack's own functions and categories."""
    examples = load_examples(folders)
    faults = [
        Fault("prompts/examples.jsonl", f"{kind} {value!r} is not the pack's", "Correct it", field=example.query)
        for example in examples
        for kind, value, known in (
            ("function", example.function, pack.functions_by_name),
            ("category", example.category, (*pack.spec.categories, NO_CATEGORY)),
            *(("argument", name, pack.spec.arguments.get(example.function, ())) for name in example.arguments),
        )
        if value not in known
    ]
    for example in examples:
        spans = find_spans(example.query, example.arguments)
        for name in (*spans.missing, *spans.repeated):
            message = f"{example.arguments[name]!r} does not stand in the query once"
            fix = f"Correct the value, or the query: {example.query}"
            faults.append(Fault("prompts/examples.jsonl", message, fix, field=name))
    if faults:
        raise PromptError(faults)
    return list(examples)


def _strata(tables: tuple[FittedTable, ...]) -> Iterator[Stratum]:
    """Every combination of the axes by which prompts are chosen."""
    parts = []
    for table in tables:
        at = [i for i, axis in enumerate(table.axes) if axis in SERVED_AXES]
        parts.append(sorted({tuple((table.axes[i], cell[i]) for i in at) for cell in table.cells}))
    for combination in itertools.product(*parts):
        yield Stratum(**dict(itertools.chain.from_iterable(combination)))


def _find_unserved(inputs: RunInputs) -> list[Fault]:
    """Strata for which no prompt, or no content with an image, is there: one fault for each route and function."""
    with_image = {item.type for item in inputs.pack.content if item.image}
    found: dict[tuple[str, str, str], Stratum] = {}
    for stratum in _strata(inputs.tables):
        serving = inputs.prompts.serving(stratum)
        if not serving:
            found.setdefault((stratum.route, stratum.function, "prompt"), stratum)
        elif stratum.category not in with_image and any(
            isinstance(prompt, PromptTemplate) and prompt.meta.grounding == "image" for prompt in serving
        ):
            found.setdefault((stratum.route, stratum.category, "image"), stratum)
    folder = str(inputs.pack.root / "prompts")
    return [
        Fault(folder, f"no {route} prompt serves {stratum}", f"Add one to {route}/, or set the cell's share to 0")
        if kind == "prompt"
        else Fault(
            str(inputs.pack.root / "content.jsonl"),
            f"route {route} needs an image, and category {name} has no content item with one",
            "Add one, or name the cell under `zero` in targets.yaml",
        )
        for (route, name, kind), stratum in found.items()
    ]


def _find_faulty_prompts(inputs: RunInputs) -> list[Fault]:
    """Prompts that name what the pack lacks, or that cannot be rendered for a sample of it."""
    pack, faults = inputs.pack, []
    for prompt in inputs.prompts.prompts.values():
        for kind, names, known in (
            ("function", prompt.meta.functions, pack.functions_by_name),
            ("category", prompt.meta.categories, pack.spec.categories),
        ):
            faults += [
                Fault(prompt.file, f"{kind} {name!r} is not the pack's", f"The pack has {', '.join(known)}")
                for name in names
                if name not in known
            ]
        if isinstance(prompt, PromptTemplate) and prompt.meta.modality != "judge":
            for argument in {roles.free_text for roles in pack.spec.roles.values()} - {None}:
                asked = prompt.meta.answer_schema["properties"].get(argument, {"type": "string"})
                if not isinstance(asked, dict) or asked.get("type") != "string":
                    message = f"{argument!r} is no string in the answer's schema"
                    faults.append(Fault(prompt.file, message, "Write `type: string`", field="schema"))
            try:
                _render_specimen(prompt, pack)
            except PromptError as exc:
                faults += exc.faults
    return faults


def _render_specimen(prompt: PromptTemplate, pack: DomainPack) -> None:
    """Render ``prompt`` for a sample that has no more than every sample of its grounding has."""
    known = [name for name in (*prompt.meta.functions, *pack.functions_by_name) if name in pack.functions_by_name]
    function, category = known[0], next(iter(pack.spec.categories), NO_CATEGORY)
    stratum = Stratum(prompt.meta.modality, function, category)
    values = dict.fromkeys(pack.spec.roles[function].spoken, "value")
    content = None if prompt.meta.grounding == "walk" else ContentRef("id", "title", ("keyword",), category)
    grounding = Grounding(tuple(NodeRef("id", kind, "label") for kind in pack.spec.walk), (), content)
    labels = dict.fromkeys(pack.spec.walk, "label")
    example = Example(function=function, category=category, query="query", nodes=labels, arguments=values)
    shown = [example_variables(pack, stratum, example, number) for number in range(min(prompt.meta.examples, 2))]
    finding = Finding("length", "message", "rules")
    refused = Attempt(0, 0, prompt.name, candidate=Candidate("query", {}), critique=Critique("revise", (finding,)))
    for previous in (None, refused):
        variables = sample_variables(pack, stratum, grounding, values, "keyword", "opening", previous)
        prompt.render(variables, prompt.render_turns(shown))


def _digest_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
