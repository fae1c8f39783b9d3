"""A server that has seen the beginning of a prompt computes only its rest: every shipped prompt lets it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from fakes.serving import is_asked_for

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.prompting.examples import ExampleBank, ExampleKind, example_kind, load_examples
from routenator.engine.prompting.library import PromptLibrary, shipped_prompts
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import Attempt, Candidate, ContentRef, Critique, Finding, Grounding, NodeRef, Stratum

PACKS = sorted(path.parent.name for path in (Path(__file__).parents[3] / "domains").glob("*/domain.yaml"))
REFUSED = Attempt(
    0, 1, "", candidate=Candidate("own query", {}), critique=Critique("revise", (Finding("length", "own", "rules"),))
)


@pytest.fixture(params=PACKS)
def pack(request: pytest.FixtureRequest) -> DomainPack:
    return load_pack(request.param)


@pytest.fixture
def library(pack: DomainPack) -> PromptLibrary:
    return PromptLibrary.load([shipped_prompts(), pack.root / "prompts"], pack.spec.walk, pack.spec.spoken_arguments)


def _grounding(pack: DomainPack, words: str) -> Grounding:
    nodes = tuple(NodeRef(kind, kind, f"{words} {kind}") for kind in pack.spec.walk)
    return Grounding(nodes, (), ContentRef("c", words, (words,), "photo", "images/a.png"))


def test_samples_of_one_kind_share_all_but_the_last_turn(pack: DomainPack, library: PromptLibrary) -> None:
    folders = [shipped_prompts(), pack.root / "prompts"]
    examples = ExampleBank.build(
        load_examples(folders), lambda one: Stratum("text", one.function, one.category, one.language, "3")
    )
    plan = Plan(fit_targets(pack.targets), rows=2000, seed=1)
    kinds: dict[tuple[str, ExampleKind], set[Stratum]] = defaultdict(set)
    for stratum in map(plan.stratum, range(2000)):
        kinds[stratum.route, example_kind(stratum)].add(stratum)
    met = set()
    for strata in kinds.values():
        first, last = min(strata, key=str), max(strata, key=str)
        for prompt in library.serving(first):
            if not isinstance(prompt, PromptTemplate) or not prompt.meta.serves(last) or first == last:
                continue
            met.add(prompt.name)

            def render(
                stratum: Stratum, words: str, previous: Attempt | None, prompt: PromptTemplate = prompt
            ) -> list[dict[str, str]]:
                shown = examples.choose(stratum, prompt.meta.examples)
                turns = prompt.render_turns(example_variables(pack, stratum, shot, i) for i, shot in enumerate(shown))
                said = dict.fromkeys(stratum.present, words)
                values = sample_variables(pack, stratum, _grounding(pack, words), said, words, words, previous)
                return prompt.render(values, turns)

            one, other = render(first, "red", None), render(last, "blue", REFUSED)
            assert one[:-1] == other[:-1], prompt.name
            assert one[-1] != other[-1]
            assert len(one) > 1, f"{prompt.name} has no fixed part"
    written = {name for name, prompt in library.prompts.items() if isinstance(prompt, PromptTemplate)}
    missed = {name for name in written - met if library.template(name).meta.modality != "judge"}
    assert {name for name in missed if is_asked_for(pack, library.prompts[name])} == set()


@pytest.mark.parametrize("name", ["judge/rubric", "judge/relabel"])
def test_what_is_judged_stands_in_the_last_turn_alone(pack: DomainPack, library: PromptLibrary, name: str) -> None:
    def render(words: str) -> list[dict[str, str]]:
        values = {
            "functions": [{"name": tool.name, "description": tool.description} for tool in pack.functions],
            "categories": [{"name": name, "description": ""} for name in pack.spec.categories],
            "language": "en",
            "candidate": {"query": words},
            "grounding": {"labels": [words], "title": words},
            "nonce": words,
        }
        return library.template(name).render(values)

    one, other = render("red"), render("blue")
    assert one[:-1] == other[:-1] != []
    assert one[-1] != other[-1]
