"""What every generation node shares: seeds, surface words, and how a query becomes a candidate."""

from __future__ import annotations

import random
from dataclasses import dataclass

from routenator.engine.deps import Deps
from routenator.engine.prompting.grammar import favour_first
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, Candidate, Grounding, Stratum, derive_seed
from routenator.engine.state import SampleState
from routenator.engine.validation.features import measure
from routenator.engine.validation.free_text import extract_free_text
from routenator.engine.validation.rules import check_rules


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt to be made.

    Attributes:
        number: Attempts of the sample before this one.
        keyword: The word by which the query shall name its category; empty where its position is ``absent``.
    """

    number: int
    seed: int
    stratum: Stratum
    grounding: Grounding
    prompt: str
    keyword: str


def next_task(state: SampleState, deps: Deps) -> Task:
    """The attempt that ``state`` asks for; seeds derive from (run seed, slot, round, attempt)."""
    stratum, grounding, prompt = state["stratum"], state["grounding"], state["prompt"]
    assert stratum is not None and grounding is not None and prompt is not None
    number = len(state["attempts"])
    seed = derive_seed(deps.seed, state["key"].slot, state["key"].round, "attempt", number)
    return Task(number, seed, stratum, grounding, prompt, _choose_keyword(deps, stratum, seed))


def keywords_for(deps: Deps, stratum: Stratum) -> tuple[str, ...]:
    """Words by which a query of ``stratum`` may name its category, the plain name first; none where it shall not."""
    if stratum.keyword_position == "absent":
        return ()
    return deps.pack.spec.categories[stratum.category].keywords.get(stratum.language, ())


def _choose_keyword(deps: Deps, stratum: Stratum, seed: int) -> str:
    keywords = keywords_for(deps, stratum)
    if not keywords:
        return ""
    return random.Random(seed).choice(favour_first(keywords))


def make_candidate(deps: Deps, stratum: Stratum, query: str, free_text: str | None = None) -> Candidate:
    """A candidate labelled with the stratum; the free text is cut out of the query unless the model gave it."""
    arguments = deps.pack.spec.arguments
    if free_text is None:
        free_text = extract_free_text(query, stratum.language, stratum.category, deps.lexicon)
    return Candidate(query, {arguments.category: stratum.category, arguments.free_text: free_text})


def passes_rules(deps: Deps, task: Task, query: str) -> bool:
    """Whether the query has the stratum's form and nothing that the rules of the critique refuse.

    The form comes first: it is what most expansions of a grammar fail, and costs the least to see. Without a critique
    the first expansion is taken.
    """
    if not deps.critic.enabled:
        return True
    if not fits_stratum(deps, task.stratum, query):
        return False
    candidate = make_candidate(deps, task.stratum, query)
    examples = deps.examples.queries
    return not check_rules(candidate, task.stratum, task.grounding, deps.pack, deps.lexicon, examples)


def fits_stratum(deps: Deps, stratum: Stratum, query: str) -> bool:
    """Whether the query has the stratum's length, phrasing and keyword position."""
    features = measure(query, stratum.language, stratum.category, deps.lexicon)
    if stratum.length != ANY:
        low, high = parse_length_band(stratum.length)
        if not low <= features.words <= high:
            return False
    return stratum.phrasing in (ANY, features.phrasing) and stratum.keyword_position in (ANY, features.keyword_position)
