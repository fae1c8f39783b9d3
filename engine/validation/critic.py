"""The critique of one candidate: rules and fluency, then consistency, then the judge."""

from __future__ import annotations

from dataclasses import dataclass

from routenator.engine.domain.pack import DomainPack
from routenator.engine.sample import Candidate, Completion, Critique, Finding, Grounding, Stratum
from routenator.engine.validation.consistency import ConsistencyCheck
from routenator.engine.validation.fluency import FluencyCheck
from routenator.engine.validation.judge import Judge
from routenator.engine.validation.lexicon import Lexicon
from routenator.engine.validation.outside_words import OutsideWords
from routenator.engine.validation.rules import check_rules


@dataclass(frozen=True)
class Critic:
    """Judges candidates.

    Attributes:
        pack: The domain.
        lexicon: `Lexicon.from_pack` of the same pack.
        fluency: ``None`` where the recipe asks for none.
        consistency: ``None`` where no sentence model is installed.
        judge: ``None`` where no judge has earned its vote.
        outside: What may stand around spoken values; ``None`` where the pack has none.
        enabled: ``False``: nothing is checked, and the scores say so.
    """

    pack: DomainPack
    lexicon: Lexicon
    consistency: ConsistencyCheck | None = None
    fluency: FluencyCheck | None = None
    judge: Judge | None = None
    outside: OutsideWords | None = None
    enabled: bool = True

    def check(
        self,
        candidate: Candidate,
        stratum: Stratum,
        grounding: Grounding,
        examples: frozenset[str] = frozenset(),
        min_logprob: float | None = None,
        refill_round: int = 0,
    ) -> tuple[Finding, ...]:
        """What costs next to nothing to find: rules, then fluency; the arguments are those of `critique`."""
        if not self.enabled:
            return ()
        findings = check_rules(candidate, stratum, grounding, self.pack, self.lexicon, examples, self.outside)
        if not findings and self.fluency is not None:
            misspelt = int(stratum.noise == "typo")
            findings = self.fluency.check(candidate.query, min_logprob, refill_round, misspelt)
        return findings

    async def critique(
        self,
        candidate: Candidate,
        stratum: Stratum,
        grounding: Grounding,
        examples: frozenset[str] = frozenset(),
        seed: int = 0,
        min_logprob: float | None = None,
        refill_round: int = 0,
    ) -> tuple[Critique, tuple[Completion, ...]]:
        """Every reason against ``candidate``; none means ``accept``, any means ``revise``.

        The rules come first, and what they refuse costs no model call. What the attempts allow is for `decide` to say.

        Args:
            candidate: What was written.
            stratum: What the slot asks for.
            grounding: What must justify the row.
            examples: Queries that prompts show; a copy is a fault.
            seed: For the judge's sampling.
            min_logprob: Of the reply's least likely token, if the endpoint said.
            refill_round: Round of the slot: later ones are judged less strictly where that is the only way to fill it.

        Raises:
            EndpointError: The judge's endpoint could not answer.
        """
        if not self.enabled:
            return Critique("accept", (), {"checked": 0.0}), ()
        findings = self.check(candidate, stratum, grounding, examples, min_logprob, refill_round)
        scores: dict[str, float] = {} if min_logprob is None else {"min_logprob": min_logprob}
        completions: tuple[Completion, ...] = ()
        # Values that stand in the query as the walk gave them need no comparison by meaning, and no judge was measured
        # on rows of this kind.
        is_spoken = bool(self.pack.spec.roles[stratum.function].spoken)
        if not findings and self.consistency is not None and not is_spoken:
            score, findings = await self.consistency.check(candidate, grounding)
            scores["consistency"] = score
        if not findings and self.judge is not None and not is_spoken:
            judgement = await self.judge.judge(candidate, stratum, grounding, seed)
            findings, completions = judgement.findings, judgement.completions
            scores.update(judgement.scores)
        return Critique("revise" if findings else "accept", findings, scores), completions
