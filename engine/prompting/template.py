"""A prompt template: front matter that says what it serves, and sandboxed sections that become chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import Template
from pydantic import Field, field_validator

from routenator.engine.config import Role, Strict
from routenator.engine.errors import Fault, PromptError
from routenator.engine.json_schema import SchemaError, check_schema
from routenator.engine.prompting.front_matter import ChatRole, read_prompt_file
from routenator.engine.prompting.sandbox import compile_section, render_section
from routenator.engine.routing.targets import PHRASINGS, parse_length_band
from routenator.engine.sample import Modality, Stratum
from routenator.engine.yaml_source import validate_yaml

GENERATION_VARIABLES = frozenset(
    {
        "answer", "arguments", "category", "category_description", "content", "feedback", "function",
        "function_description", "keyword", "keyword_position", "labels", "language", "max_words", "min_words",
        "nodes", "opening", "phrasing", "previous",
    }
)  # fmt: skip
"""What a generation template may name; see `routenator.engine.prompting.variables`."""

JUDGE_VARIABLES = frozenset({"candidate", "categories", "functions", "grounding", "language", "nonce"})
"""What a judge template may name; see `routenator.engine.validation.judge`."""


class Serves(Strict):
    """Which strata a template or a grammar may be chosen for; an empty list means all."""

    functions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    phrasings: tuple[str, ...] = ()
    lengths: tuple[str, ...] = ()
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Relative weight among the templates of the same route that serve a stratum. 0 switches it off."""

    @field_validator("phrasings")
    @classmethod
    def _phrasings_known(cls, phrasings: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(phrasings) - set(PHRASINGS):
            raise ValueError(f"unknown phrasing {min(unknown)!r}; the phrasings are {', '.join(PHRASINGS)}")
        return phrasings

    @field_validator("lengths")
    @classmethod
    def _lengths_are_bands(cls, lengths: tuple[str, ...]) -> tuple[str, ...]:
        for band in lengths:
            parse_length_band(band)
        return lengths

    def serves(self, stratum: Stratum) -> bool:
        """Whether a slot of ``stratum`` may use it."""
        return self.weight > 0 and all(
            not allowed or value in allowed
            for allowed, value in (
                (self.functions, stratum.function),
                (self.categories, stratum.category),
                (self.languages, stratum.language),
                (self.phrasings, stratum.phrasing),
                (self.lengths, stratum.length),
            )
        )


class TemplateMeta(Serves):
    """Front matter of a prompt file."""

    modality: Modality | Literal["judge"]
    description: str = ""
    role: Role | None = None
    """Endpoint role. ``None``: the modality's own."""
    grounding: Literal["walk", "content", "image"] = "walk"
    """``content`` needs a content item that fits the walk, ``image`` one with an image."""
    examples: Annotated[int, Field(ge=0, le=16)] = 0
    """Few-shot turns, made from the pack's examples by the user and assistant sections."""
    max_tokens: Annotated[int, Field(ge=1, le=8192)] = 200
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.9
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    answer_schema: dict[str, Any] = Field(alias="schema")
    """JSON schema of the answer; ``query`` is required of a generation template."""
    openings: tuple[str, ...] = ()
    """Ways to begin the query; one is drawn for each attempt. ``{Action}``-like names stand for the walk's labels."""
    guided: bool = False
    """Give the server a pattern for ``query`` that holds the stratum's words and phrasing: rails for weak models."""


@dataclass(frozen=True)
class CompiledSection:
    """One turn, ready to be rendered.

    Attributes:
        text: What it renders to, whatever the variables; ``None`` where it names any.
    """

    role: ChatRole
    template: Template
    text: str | None = None

    def render(self, variables: Mapping[str, Any], file: str) -> dict[str, Any]:
        """The turn as a chat message; ``file`` is for what is said of a fault."""
        text = render_section(self.template, variables, file) if self.text is None else self.text
        return {"role": self.role, "content": text}


@dataclass(frozen=True)
class PromptTemplate:
    """A loaded prompt file. ``name`` is its path below the prompts folder, without the suffix."""

    name: str
    file: str
    meta: TemplateMeta
    sections: tuple[CompiledSection, ...]

    def render(self, variables: Mapping[str, Any], turns: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
        """Chat messages for one sample.

        Args:
            variables: Values of the template's variables.
            turns: The few-shot turns, from `render_turns`; they stand before the turn that asks.

        Returns:
            ``[{"role", "content"}, ...]``, ending with a user message.

        Raises:
            PromptError: A value is missing or the output is too long.
        """
        if not self.meta.examples:
            return [section.render(variables, self.file) for section in self.sections]
        head = [section.render(variables, self.file) for section in self.sections if section.role == "system"]
        return [*head, *turns, self._turns[0].render(variables, self.file)]

    def render_turns(self, examples: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
        """The few-shot turns: user and assistant section for each example's variables.

        Raises:
            PromptError: As `render`.
        """
        return tuple(section.render(example, self.file) for example in examples for section in self._turns)

    @cached_property
    def _turns(self) -> tuple[CompiledSection, ...]:
        return tuple(section for section in self.sections if section.role != "system")


def load_template(path: Path, name: str | None = None) -> PromptTemplate:
    """Read, check and compile a prompt file.

    Raises:
        PromptError: With every fault of the file.
    """
    prompt = read_prompt_file(path)
    meta = validate_yaml(TemplateMeta, prompt.source, PromptError)
    variables = JUDGE_VARIABLES if meta.modality == "judge" else GENERATION_VARIABLES
    faults: list[Fault] = []
    compiled: list[CompiledSection] = []
    for section in prompt.sections:
        template, found = compile_section(section.text, str(path), section.line, variables)
        faults += found
        if template is not None:
            # Without a brace there is nothing for jinja to do.
            text = None if "{" in section.text else section.text.strip()
            compiled.append(CompiledSection(section.role, template, text))
    roles = [section.role for section in prompt.sections]
    turns = [role for role in roles if role != "system"]
    if meta.examples and turns != ["user", "assistant"]:
        fix = "Write one `## user` and one `## assistant` section, or remove `examples`"
        faults.append(prompt.source.fault(("examples",), "few-shot examples need one turn of each role", fix))
    elif not meta.examples and (not roles or roles[-1] != "user"):
        faults.append(Fault(str(path), "the last section is not `## user`", "End with the turn that asks"))
    if message := _schema_fault(meta):
        fix = "Write a JSON schema of an object that requires `query: {type: string}`"
        faults.append(prompt.source.fault(("schema",), message, fix))
    if faults:
        raise PromptError(faults)
    return PromptTemplate(name or path.stem, str(path), meta, tuple(compiled))


def _schema_fault(meta: TemplateMeta) -> str | None:
    """What is wrong with the answer's schema, or ``None``."""
    schema = meta.answer_schema
    try:
        check_schema(schema)
    except SchemaError as exc:
        return f"not a valid JSON schema: {exc.message}"
    if meta.modality == "judge":
        return None
    query = schema.get("properties", {}).get("query")
    if query is None or "query" not in schema.get("required", ()):
        return "the answer's schema does not require `query`"
    if not isinstance(query, dict) or query.get("type") != "string":
        return "`query` is no string in the answer's schema"
    return None
