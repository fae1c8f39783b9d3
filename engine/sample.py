"""What flows through the engine: a slot's stratum, its grounding, its attempts, its record.

Everything here is frozen, cheap and serialisable by orjson, so that a record is written to the ledger as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

Modality = Literal["heuristic", "text", "vision"]
MODALITIES: tuple[Modality, ...] = ("heuristic", "text", "vision")
Verdict = Literal["accepted", "rejected", "failed"]
Decision = Literal["accept", "revise", "reground", "reject"]

ANY = "any"
"""Value of an axis that the targets do not constrain."""

NO_ARGUMENTS = "none"
"""Value of the axis ``arguments`` of a row without any."""


def derive_seed(*parts: int | str) -> int:
    """63-bit seed from its parts; the same in any process and on any machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True, order=True)
class SampleKey:
    """Names one sample: a slot of the plan, in one refill round (0 is the first)."""

    slot: int
    round: int = 0

    @property
    def trace_id(self) -> str:
        """``slot.round``, as the rows and the commands write it."""
        return f"{self.slot}.{self.round}"


@dataclass(frozen=True, slots=True)
class Stratum:
    """One cell of the joint target: what the delivered row must be. ``ANY`` where the targets are silent."""

    route: str
    function: str
    category: str
    language: str = "en"
    length: str = ANY
    phrasing: str = ANY
    keyword_position: str = ANY
    arguments: str = ANY
    """Names of the arguments that are present, sorted, joined by ``+``; `NO_ARGUMENTS` for none of them."""
    casing: str = ANY
    noise: str = ANY
    punctuation: str = ANY

    @property
    def present(self) -> frozenset[str]:
        """The arguments that are present; empty where the targets are silent."""
        return frozenset() if self.arguments in (ANY, NO_ARGUMENTS) else frozenset(self.arguments.split("+"))


AXES: tuple[str, ...] = tuple(Stratum.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A knowledge-graph node as a walk saw it.

    ``argument`` is the argument whose value the label is; empty where the node is none's.
    """

    id: str
    type: str
    label: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One edge of a walk; it exists in the graph under this type with this weight."""

    source: str
    type: str
    target: str
    weight: float


@dataclass(frozen=True, slots=True)
class ContentRef:
    """The content item that fits a walk. ``image`` is a path inside the pack, in POSIX form."""

    id: str
    title: str
    keywords: tuple[str, ...]
    type: str
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Grounding:
    """Why the label is right: the walk in edge order, and the content item, if one was asked for."""

    nodes: tuple[NodeRef, ...]
    hops: tuple[Hop, ...]
    content: ContentRef | None = None

    def labels(self) -> dict[str, str]:
        """Node type → label, for prompts and rules."""
        return {node.type: node.label for node in self.nodes}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A generated row before its verdict.

    Attributes:
        query: What the user would type.
        arguments: Argument name → value, as the function's schema names them; holds the category argument.
    """

    query: str
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason of a critique.

    Attributes:
        code: Stable name for counting, such as ``length`` or ``relabel_function``.
        message: What is wrong, worded so that a model can mend it in the next attempt.
        source: Who says so: ``rules``, ``judge``, ``relabel``, ``consistency`` or ``parse``.
    """

    code: str
    message: str
    source: Literal["rules", "judge", "relabel", "consistency", "parse"]


@dataclass(frozen=True, slots=True)
class Critique:
    """The verdict on one candidate with every reason that was found; scores by name (0..1)."""

    decision: Decision
    findings: tuple[Finding, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """One chat completion, for the trace.

    Attributes:
        messages: The rendered chat messages; an image part is replaced by ``{"type": "image", "path", "sha256"}``.
        text: The raw reply, as it came.
        requests: Every HTTP request that it took, as ``{"replica", "status", "error", "latency_ms", "wait_s"}``.
        min_logprob: Log probability (natural) of the reply's least likely token; ``None`` if the server did not say.
        choices: Every reply where one request brought several, `text` among them; otherwise empty.
    """

    messages: tuple[dict[str, Any], ...]
    text: str
    endpoint: str
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    requests: tuple[dict[str, Any], ...] = ()
    min_logprob: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pass generate → critique."""

    number: int
    seed: int
    template: str
    completion: Completion | None = None
    candidate: Candidate | None = None
    error_class: str | None = None
    error: str | None = None
    critique: Critique | None = None
    judge_completions: tuple[Completion, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One node's run. Times are monotonic milliseconds since the sample began; data is small and JSON-able."""

    node: str
    start_ms: float
    duration_ms: float
    input: dict[str, Any] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """All that is known of one finished sample; row and trace are cut from it in one transaction.

    ``error_class`` is the class of what ended a sample that was not accepted: an error's class for ``failed``, the
    first finding's code of the last critique for ``rejected``.
    """

    key: SampleKey
    verdict: Verdict
    stratum: Stratum
    started_at: str
    duration_ms: float
    template: str | None = None
    grounding: Grounding | None = None
    candidate: Candidate | None = None
    attempts: tuple[Attempt, ...] = ()
    spans: tuple[Span, ...] = ()
    error_class: str | None = None
    error: str | None = None
