"""The LLM judge: a blind re-labelling, and rubric scores with reasons.

What is judged is data. It goes into the user message as JSON, and the verdict is computed here from the parsed fields
of the schema and nothing else, so that no text of a candidate can be a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from routenator.engine.config import Role
from routenator.engine.display import show_line
from routenator.engine.domain.pack import NO_CATEGORY, DomainPack
from routenator.engine.errors import EndpointError, ParseError, SampleError
from routenator.engine.llm.chat import ChatReply, ChatRequest, to_completion
from routenator.engine.llm.structured import parse_json
from routenator.engine.prompting.template import PromptTemplate
from routenator.engine.sample import Candidate, Completion, Finding, Grounding, Stratum, derive_seed

CRITERIA = {
    "naturalness": "It does not read like something that a person would type",
    "grounding": "It is not about its subject",
    "label": "The function or the category does not fit the query",
}
"""Rubric criterion → what a low score means, in words that the next attempt can use."""

MIN_SCORE = 0.5
"""Least score that passes: 3 of 1 to 5."""

_MAX_REASON_CHARS = 160


class ChatPool(Protocol):
    """Whoever answers for a role; `routenator.engine.llm` has the real one."""

    async def complete(self, role: Role, request: ChatRequest) -> ChatReply:
        """Answer ``request`` as ``role``."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge made of one candidate.

    Attributes:
        scores: ``relabel``: 1 where the blind label agrees; criterion → 0..1 where the row was scored.
        findings: Why it does not pass; none means that it passes.
        completions: The judge's chat completions, for the trace.
    """

    scores: dict[str, float]
    findings: tuple[Finding, ...]
    completions: tuple[Completion, ...]


@dataclass(frozen=True)
class Judge:
    """Asks the endpoint of the role ``judge``.

    Attributes:
        pool: Answers the requests.
        pack: Names the functions and categories that a label may have.
        rubric_prompt: Template of the rubric; its schema has an integer 1..5 for each criterion, and ``reason``.
        relabel_prompt: Template of the re-labelling; its schema has ``function`` and ``category``.
    """

    pool: ChatPool
    pack: DomainPack
    rubric_prompt: PromptTemplate
    relabel_prompt: PromptTemplate

    async def judge(self, candidate: Candidate, stratum: Stratum, grounding: Grounding, seed: int) -> Judgement:
        """Label the query blind, which is cheap; where that agrees, score the row.

        Raises:
            EndpointError: The endpoint could not answer.
        """
        relabel = await self.relabel(candidate.query, stratum, derive_seed(seed, "relabel"))
        if relabel.findings:
            return relabel
        rubric = await self.rubric(candidate, stratum, grounding, derive_seed(seed, "rubric"))
        return Judgement(
            {**relabel.scores, **rubric.scores}, rubric.findings, (*relabel.completions, *rubric.completions)
        )

    async def rubric(self, candidate: Candidate, stratum: Stratum, grounding: Grounding, seed: int) -> Judgement:
        """Scores by criterion, each with the judge's reason where it is low."""
        roles = self.pack.spec.roles[stratum.function]
        content = grounding.content
        variables = {
            "candidate": {
                "query": candidate.query,
                "function": stratum.function,
                "category": stratum.category,
                **(
                    {"arguments": candidate.arguments}
                    if roles.spoken
                    else {"free_text": candidate.arguments.get(roles.free_text or "", "")}
                ),
            },
            "grounding": {
                "labels": [node.label for node in grounding.nodes],
                "title": None if content is None else content.title,
            },
            **self._label_variables(stratum.language, seed),
        }
        answer, completions = await self._ask(self.rubric_prompt, variables, {}, seed)
        if answer is None:
            return Judgement({}, (_UNREADABLE,), completions)
        scores = {name: (min(max(int(answer[name]), 1), 5) - 1) / 4 for name in CRITERIA}
        reason = show_line(str(answer.get("reason", "")), _MAX_REASON_CHARS)
        findings = tuple(
            Finding(f"judge_{name}", f"{CRITERIA[name]}: {reason}" if reason else f"{CRITERIA[name]}.", "judge")
            for name, score in scores.items()
            if score < MIN_SCORE
        )
        return Judgement(scores, findings, completions)

    async def relabel(self, query: str, stratum: Stratum, seed: int) -> Judgement:
        """Label ``query`` without sight of its label; disagreement with ``stratum`` is a finding."""
        functions = list(self.pack.functions_by_name)
        categories = [*self.pack.spec.categories, *([NO_CATEGORY] if self.pack.spec.spoken_arguments else [])]
        variables = {
            "candidate": {"query": query},
            "grounding": {},
            **self._label_variables(stratum.language, seed),
        }
        choices = {
            "function": {"type": "string", "enum": functions},
            "category": {"type": "string", "enum": categories},
        }
        answer, completions = await self._ask(self.relabel_prompt, variables, choices, seed)
        if answer is None:
            return Judgement({}, (replace(_UNREADABLE, source="relabel"),), completions)
        wanted = {"function": stratum.function, "category": stratum.category}
        findings = tuple(
            Finding(f"relabel_{axis}", f"The query reads like {axis} '{answer[axis]}', not '{label}'.", "relabel")
            for axis, label in wanted.items()
            if answer[axis] != label
        )
        return Judgement({"relabel": 1 - len(findings) / len(wanted)}, findings, completions)

    def _label_variables(self, language: str, seed: int) -> dict[str, Any]:
        return {
            "functions": [{"name": tool.name, "description": tool.description} for tool in self.pack.functions],
            "categories": [
                {"name": name, "description": category.description}
                for name, category in self.pack.spec.categories.items()
            ],
            "language": language,
            "nonce": f"{derive_seed(seed, 'nonce'):016x}",
        }

    async def _ask(
        self, prompt: PromptTemplate, variables: dict[str, Any], choices: dict[str, Any], seed: int
    ) -> tuple[dict[str, Any] | None, tuple[Completion, ...]]:
        """The parsed answer and its completion; ``None`` for an answer that does not fit the schema."""
        schema = prompt.meta.answer_schema
        schema = {**schema, "properties": {**schema.get("properties", {}), **choices}}
        request = ChatRequest(
            messages=tuple(prompt.render(variables)),
            schema=schema,
            schema_name="judgement",
            max_tokens=prompt.meta.max_tokens,
            temperature=prompt.meta.temperature,
            top_p=prompt.meta.top_p,
            seed=seed % 2**31,
        )
        try:
            reply = await self.pool.complete("judge", request)
        except EndpointError:
            raise
        except SampleError:
            return None, ()
        completion = to_completion(request.messages, reply)
        try:
            return parse_json(reply.text, schema), (completion,)
        except ParseError:
            return None, (completion,)


_UNREADABLE = Finding("judge_unreadable", "The judge gave no verdict; write a clear, plain query.", "judge")
