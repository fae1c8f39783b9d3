"""What the user configures: a recipe (what to make) and an endpoints file (who makes it)."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from routenator.engine.errors import ConfigError
from routenator.engine.yaml_source import as_detail, build_with, load_yaml, validate_yaml

Role = Literal["text", "vision", "judge"]
ROLES: tuple[Role, ...] = ("text", "vision", "judge")

Route = Literal["heuristic", "text", "vision"]

Transport = Literal["openai", "aiohttp"]
StructuredOutput = Literal["auto", "json_schema", "json_object", "text"]


class Strict(BaseModel):
    """Base of every user-facing model: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


OWN_BODY_FIELDS = frozenset(
    {"model", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "n", "logprobs", "response_format"}
    | {"stream", "tools", "tool_choice"}
)
"""Fields of a request's body that the engine sets."""


def check_base_url(url: str) -> str:
    """A replica's base URL without its last slash, or `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "\\" in url:
        raise ValueError("a base URL looks like http://host:8000/v1")
    if parts.username or parts.password:
        raise ValueError("no user or key inside a URL; name its environment variable in api_key_env")
    return url.rstrip("/")


class Endpoint(Strict):
    """One OpenAI-compatible endpoint: one or more replicas of a server, or the embedded one that we start."""

    kind: Literal["openai", "embedded"] = "openai"
    """``openai`` talks to ``base_url``; ``embedded`` starts llama.cpp on loopback and talks to it the same way."""
    base_url: Annotated[tuple[Annotated[str, AfterValidator(check_base_url)], ...], Field(validate_default=True)] = ()
    """Replicas' base URLs, ending in ``/v1``. A single string is taken as one. Empty for ``embedded``."""
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()
    """Share of the requests for each of ``base_url``, in its order; only their ratios count. Empty: all alike."""
    model: str
    """Model name as the server knows it (``--served-model-name``)."""
    transport: Transport = "openai"
    """What carries the requests: ``openai`` is the OpenAI SDK on its aiohttp transport, ``aiohttp`` speaks the same
    wire protocol without the SDK, for a fraction of the CPU."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key. ``None``: the server needs none. Keys are never stored."""
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 64
    """Upper bound of concurrent requests to each replica, over all workers of a run."""
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Total deadline of one request, headers and body, in seconds."""
    max_retries: Annotated[int, Field(ge=0, le=20)] = 4
    """Retries of one call after retryable errors. This is the only retry layer."""
    structured_output: StructuredOutput = "auto"
    """``auto`` negotiates json_schema → json_object → tolerant parsing once; anything else is taken as given."""
    vision: bool | None = None
    """Whether the model can see. ``None``: probe it with a small image."""
    choices: Annotated[int, Field(ge=1, le=32)] = 1
    """Replies asked for in one request (``n``) when a query is generated; the first that the rules let pass is taken. A
    server computes the prompt once for all of them. Servers without ``n`` send one."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """More fields of every request's body, as the server names them: ``priority``, ``chat_template_kwargs``."""
    max_reply_bytes: Annotated[int, Field(ge=1_000)] = 2_000_000
    """Cap of one reply's body in bytes; a larger one is aborted."""

    @field_validator("base_url", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("base_url")
    @classmethod
    def _url_fits_kind(cls, urls: tuple[str, ...], known: ValidationInfo) -> tuple[str, ...]:
        if known.data.get("kind") == "openai" and not urls:
            raise ValueError("an endpoint of kind openai needs base_url")
        if known.data.get("kind") == "embedded" and urls:
            raise ValueError("an embedded endpoint is started by us and has no base_url")
        return urls

    @field_validator("api_key_env")
    @classmethod
    def _variable_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            # The value is not repeated: people paste the key itself here.
            raise ValueError("this is the name of an environment variable in capitals, never the key itself")
        return name

    @field_validator("extra_body")
    @classmethod
    def _extra_body_adds(cls, body: dict[str, Any]) -> dict[str, Any]:
        faults = []
        if ours := sorted(OWN_BODY_FIELDS & body.keys()):
            faults.append(f"extra_body may not set {', '.join(ours)}: the engine does")
        try:
            json.dumps(body, allow_nan=False)
        except (TypeError, ValueError):
            faults.append("extra_body holds what JSON cannot")
        if faults:
            raise ValueError("; ".join(faults))
        return body

    @model_validator(mode="wrap")
    @classmethod
    def _weights_fit_urls(cls, data: Any, build: ModelWrapValidatorHandler[Endpoint]) -> Endpoint:
        return build_with(build, data, _find_wrong_weights(data) if isinstance(data, dict) else [])


def _find_stray_roles(data: dict[Any, Any]) -> list[InitErrorDetails]:
    """Roles of an unchecked endpoints file that name an endpoint which isn't there."""
    endpoints, roles = data.get("endpoints"), data.get("roles")
    if not isinstance(endpoints, dict) or not isinstance(roles, dict):
        return []
    known = ", ".join(map(str, endpoints)) or "none"
    return [
        as_detail(
            "value_error",
            f"role {role} names endpoint {name!r}, which is not defined (defined: {known})",
            ("roles", role),
            name,
        )
        for role, name in roles.items()
        if role in ROLES and isinstance(name, str) and name not in endpoints
    ]


def _find_wrong_weights(data: dict[Any, Any]) -> list[InitErrorDetails]:
    """What does not fit in an unchecked endpoint's weights."""
    urls, weights = data.get("base_url") or (), data.get("weights")
    count = 1 if isinstance(urls, str) else len(urls) if isinstance(urls, list | tuple) else None
    if not isinstance(weights, list | tuple) or not weights or count in (None, len(weights)):
        return []
    message = "weights names one number for each of base_url, in the same order"
    return [as_detail("value_error", message, ("weights",), weights)]


class EndpointsFile(Strict):
    """Named endpoints, and which role each plays."""

    endpoints: dict[str, Endpoint]
    roles: dict[Role, str | None]
    """Role → endpoint name. A role that is absent or null has no endpoint."""

    @model_validator(mode="wrap")
    @classmethod
    def _roles_exist(cls, data: Any, build: ModelWrapValidatorHandler[EndpointsFile]) -> EndpointsFile:
        return build_with(build, data, _find_stray_roles(data) if isinstance(data, dict) else [])

    def endpoint_of(self, role: Role) -> tuple[str, Endpoint] | None:
        """Name and settings of the endpoint that plays ``role``, or ``None``."""
        name = self.roles.get(role)
        return None if name is None else (name, self.endpoints[name])


class CritiqueSettings(Strict):
    """How a candidate is judged."""

    enabled: bool = True
    """``False``: whatever can be read is accepted, by no rule and no judge. To measure what the critique is worth."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """Attempts on one grounding before it is drawn anew."""
    max_regrounds: Annotated[int, Field(ge=0, le=5)] = 1
    """How often a sample may draw a new grounding before it is rejected."""
    judge_threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.7
    """Balanced accuracy on known pairs below which the judge's vote is left out."""
    judge_pairs: Annotated[int, Field(ge=0, le=500)] = 10
    """Known-good pairs and, of each kind of fault, known-bad pairs that the judge is measured on. 0: no judge."""
    min_consistency: Annotated[float, Field(ge=-1, le=1)] = 0.3
    """Least cosine similarity between the query and its grounding's words, by the sentence model."""
    known_words: bool = False
    """Refuse queries with a word that neither the sentence model's vocabulary nor the pack knows. For weak models,
    which make words up; a strong model's rare words are right."""
    min_logprob: Annotated[float, Field(lt=0)] | None = None
    """Least log probability (natural) that a token of the reply may have under the model that wrote it: below, the
    model was forced off what it would say. For weak models on rails. ``None``: not asked for. Where the server gives no
    log probabilities it is not checked. Each refill round lowers it by 2.5."""


class DedupSettings(Strict):
    """What counts as a duplicate over the whole run."""

    near_threshold: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Jaccard similarity of character 4-gram sets at which two queries are the same. 1: only exact duplicates."""


class Recipe(Strict):
    """What to make. Paths are relative to the recipe's folder."""

    pack: str
    """A shipped pack's name, or the path of a pack folder."""
    rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Rows to deliver."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Every random choice of the run follows from this number."""
    endpoints: str
    """Path of the endpoints file."""
    on_missing_vision: Literal["fail", "redistribute"] = "fail"
    """No endpoint can see: refuse to start, or give the vision routes' share to the other routes, said aloud."""
    max_rounds: Annotated[int, Field(ge=0, le=50)] = 4
    """Refill rounds for slots whose sample was rejected, failed or a duplicate: the run's budget."""
    min_delivered: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of ``rows`` that is enough: once it is there, no slot is refilled. For slow models, whose last slots may
    take as long as all the others."""
    max_in_flight: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Samples in flight at once, over all workers."""
    routes: dict[Route, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Route → share, in place of the pack's; only their ratios count. A route that is not named gets no rows. Empty:
    the pack's own."""
    prompts: tuple[str, ...] = ()
    """Only these prompts write queries, such as ``text/plain``. Empty: all of them, by their weights."""
    traces: bool = True
    """Keep every sample's trace. ``False`` keeps the rows alone, which saves about 1.5 KB and 100 µs a sample."""
    critique: CritiqueSettings = CritiqueSettings()
    dedup: DedupSettings = DedupSettings()

    @property
    def enough(self) -> int:
        """Rows that `min_delivered` asks for."""
        return count_enough(self.rows, self.min_delivered)


def count_enough(rows: int, min_delivered: float) -> int:
    """Rows of a run of ``rows`` rows that are enough."""
    return math.ceil(round(min_delivered * rows, 6))


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; raise `ConfigError` with every fault."""
    return validate_yaml(Recipe, load_yaml(path, ConfigError), ConfigError)


def load_endpoints(path: Path) -> EndpointsFile:
    """Read an endpoints file; raise `ConfigError` with every fault."""
    return validate_yaml(EndpointsFile, load_yaml(path, ConfigError), ConfigError)
