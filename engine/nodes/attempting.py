"""What every generation node shares: seeds, surface words, and how a query becomes a candidate."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from routenator.engine.deps import Deps
from routenator.engine.prompting.grammar import favour_first
from routenator.engine.routing.targets import parse_length_band
from routenator.engine.sample import ANY, Candidate, Grounding, Stratum, derive_seed
from routenator.engine.state import SampleState
from routenator.engine.validation.features import measure
from routenator.engine.validation.free_text import extract_free_text
from routenator.engine.validation.rules import check_rules
from routenator.engine.validation.spans import find_spans
from routenator.engine.validation.surface import dress


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt to be made.

    Attributes:
        number: Attempts of the sample before this one.
        keyword: The word by which the query shall name its category; empty where its position is ``absent``.
        values: Argument → what the query shall say, of the arguments whose values are spoken.
    """

    number: int
    seed: int
    stratum: Stratum
    grounding: Grounding
    prompt: str
    keyword: str
    values: Mapping[str, str]


def next_task(state: SampleState, deps: Deps) -> Task:
    """The attempt that ``state`` asks for; seeds derive from (run seed, slot, round, attempt)."""
    stratum, grounding, prompt = state["stratum"], state["grounding"], state["prompt"]
    assert stratum is not None and grounding is not None and prompt is not None
    number = len(state["attempts"])
    seed = derive_seed(deps.seed, state["key"].slot, state["key"].round, "attempt", number)
    keyword = _choose_keyword(deps, stratum, seed)
    values = _choose_values(deps, stratum, grounding, seed)
    return Task(number, seed, stratum, grounding, prompt, keyword, values)


def keywords_for(deps: Deps, stratum: Stratum) -> tuple[str, ...]:
    """Words by which a query of ``stratum`` may name its category, the plain name first; none where it shall not."""
    category = deps.pack.spec.categories.get(stratum.category)
    if category is None or stratum.keyword_position == "absent":
        return ()
    return category.keywords.get(stratum.language, ())


def _choose_keyword(deps: Deps, stratum: Stratum, seed: int) -> str:
    keywords = keywords_for(deps, stratum)
    if not keywords:
        return ""
    return random.Random(seed).choice(favour_first(keywords))


def _choose_values(deps: Deps, stratum: Stratum, grounding: Grounding, seed: int) -> dict[str, str]:
    if not any(node.argument for node in grounding.nodes):
        return {}
    rng = random.Random(derive_seed(seed, "values"))
    nodes, arguments = deps.pack.nodes_by_id, deps.pack.spec.arguments[stratum.function]
    values = {}
    for node in grounding.nodes:
        if node.argument:
            value = rng.choice(favour_first((node.label, *nodes[node.id].aliases)))
            share = 0.0 if stratum.casing == "mixed" else arguments[node.argument].lowercase
            values[node.argument] = value.lower() if share and rng.random() < share else value
    return values


def make_candidate(deps: Deps, task: Task, query: str, free_text: str | None = None) -> Candidate:
    """A candidate labelled with the stratum, in its casing and with its noise.

    Values that are spoken are read off the dressed query, in the order in which the pack declares them. Otherwise the
    free text is cut out of it unless the model gave it. A query without one of its values is left as it is: the rules
    refuse it.
    """
    stratum = task.stratum
    roles = deps.pack.spec.roles[stratum.function]
    spans = find_spans(query, task.values)
    if not spans.is_exact:
        return Candidate(query, dict(task.values))
    dressed = dress(
        query,
        spans.places,
        casing=stratum.casing,
        noise=stratum.noise,
        punctuation=stratum.punctuation,
        mark="?" if stratum.phrasing == "question" else ".",
        seed=derive_seed(task.seed, "surface"),
    )
    if roles.spoken:
        return Candidate(dressed.query, {name: dressed.values[name] for name in roles.spoken if name in dressed.values})
    assert roles.category is not None and roles.free_text is not None
    if free_text is None:
        free_text = extract_free_text(dressed.query, stratum.language, stratum.category, deps.lexicon)
    return Candidate(dressed.query, {roles.category: stratum.category, roles.free_text: free_text})


def passes_rules(deps: Deps, task: Task, query: str) -> bool:
    """Whether the query has the stratum's form and nothing that the rules of the critique refuse.

    The form comes first: it is what most expansions of a grammar fail, and costs the least to see. Without a critique
    the first expansion is taken.
    """
    if not deps.critic.enabled:
        return True
    if not fits_stratum(deps, task.stratum, query):
        return False
    candidate = make_candidate(deps, task, query)
    examples, outside = deps.examples.queries, deps.critic.outside
    return not check_rules(candidate, task.stratum, task.grounding, deps.pack, deps.lexicon, examples, outside)


def fits_stratum(deps: Deps, stratum: Stratum, query: str) -> bool:
    """Whether the query has the stratum's length, phrasing and keyword position."""
    features = measure(query, stratum.language, stratum.category, deps.lexicon)
    if stratum.length != ANY:
        low, high = parse_length_band(stratum.length)
        if not low <= features.words <= high:
            return False
    return stratum.phrasing in (ANY, features.phrasing) and stratum.keyword_position in (ANY, features.keyword_position)
