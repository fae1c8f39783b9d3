"""All rules of the critique: cheap, certain, and worded so that a small model can mend what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Candidate, Finding, Grounding, Stratum
from routenator.engine.validation import (
    rules_form,
    rules_grounding,
    rules_label,
    rules_leakage,
    rules_spoken,
    rules_stratum,
)
from routenator.engine.validation.case import Case
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords

Rule = Callable[[Case], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    rules_leakage.check_injection,
    rules_label.check_walk_allows_label,
    rules_label.check_schema,
    rules_form.check_characters,
    rules_form.check_quoted,
    rules_leakage.check_template_leakage,
    rules_stratum.check_example_copied,
    rules_form.check_repetition,
    rules_form.check_article,
    rules_form.check_unfinished,
    rules_form.check_language,
    rules_label.check_wrong_function,
    rules_label.check_wrong_category,
    rules_label.check_named_twice,
    rules_grounding.check_free_text_missing,
    rules_grounding.check_free_text_is_subject,
    rules_grounding.check_free_text_in_query,
    rules_grounding.check_grounded,
    rules_stratum.check_phrasing,
    rules_stratum.check_keyword_position,
    rules_stratum.check_length,
    rules_spoken.check_casing,
    rules_spoken.check_punctuation,
)
"""In the order of their weight: the first finding's code names why a sample was rejected."""

SPOKEN_RULES: tuple[Rule, ...] = (
    rules_leakage.check_injection,
    rules_label.check_walk_allows_label,
    rules_spoken.check_values_spoken,
    rules_label.check_schema,
    rules_form.check_characters,
    rules_leakage.check_template_leakage,
    rules_stratum.check_example_copied,
    rules_form.check_article,
    rules_form.check_language,
    rules_spoken.check_absent_said,
    rules_spoken.check_carrier,
    rules_spoken.check_carrier_repeats,
    rules_spoken.check_determiners,
    rules_spoken.check_carrier_ends,
    rules_stratum.check_phrasing,
    rules_stratum.check_keyword_position,
    rules_stratum.check_length,
    rules_spoken.check_casing,
    rules_spoken.check_punctuation,
    rules_spoken.check_noise,
)
"""The same for functions whose arguments are spoken."""


def check_rules(
    candidate: Candidate,
    stratum: Stratum,
    grounding: Grounding,
    pack: DomainPack,
    lexicon: Lexicon,
    examples: frozenset[str] = frozenset(),
    outside: OutsideWords | None = None,
) -> tuple[Finding, ...]:
    """Every finding of every rule that is for the stratum's function; none means that the candidate passes.

    Args:
        candidate: What the model or the grammar wrote.
        stratum: What the slot asks for; its language chooses the keywords.
        grounding: The walk and the content item that must justify the row.
        pack: The domain.
        lexicon: `Lexicon.from_pack` of the same pack.
        examples: Queries that the prompt showed; a copy is a fault.
        outside: What may stand around spoken values; ``None``: anything.
    """
    case = Case(candidate, stratum, grounding, pack, lexicon, examples, outside)
    roles = pack.spec.roles.get(stratum.function)
    rules = SPOKEN_RULES if roles is not None and roles.spoken else RULES
    return tuple(finding for rule in rules for finding in rule(case))
