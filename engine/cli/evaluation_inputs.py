"""What `evaluate` asks and scores with: the functions, the roles of their arguments, the endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from routenator.engine.cli.console import say
from routenator.engine.config import EndpointsFile, load_endpoints
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack_paths import resolve_pack
from routenator.engine.errors import ConfigError, Fault, InputError
from routenator.engine.evaluation.local_model import is_adapter, read_training
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.roles import roles_by_name, roles_of, synonyms_of
from routenator.engine.evaluation.scores import Scoring, no_similarity
from routenator.engine.evaluation.similarity import SentenceSimilarity
from routenator.engine.training.tools import load_tools


def load_scoring(
    model: str | None, pack: str | None, functions: Path | None, categories: list[str], texts: list[str]
) -> tuple[tuple[dict[str, Any], ...], Scoring, str | None]:
    """The functions, by what to score, and the sentence model's name if one is needed."""
    if pack is not None:
        if functions is not None or categories or texts:
            what = "a pack names its own functions and the roles of their arguments"
            raise typer.BadParameter(what, param_hint="--pack")
        loaded = load_pack(resolve_pack(pack))
        tools = tuple(function.tool for function in loaded.functions)
        roles, folding = roles_of(loaded), ValueFolding(synonyms_of(loaded))
    else:
        tools = _find_tools(model, functions)
        roles, folding = roles_by_name(tools, categories, texts), ValueFolding()
    similarity = SentenceSimilarity() if roles.free_texts else None
    missing = [name for name, known in (("CTA", roles.categories), ("SS", roles.free_texts)) if not known]
    if missing:
        say(
            f"{' and '.join(missing)} cannot be measured: no argument is declared for it "
            "(--pack, or --category-argument and --text-argument).",
            style="yellow",
        )
    schemas = {tool["function"]["name"]: tool["function"].get("parameters", {}) for tool in tools}
    scoring = Scoring(roles, folding, similarity or no_similarity, schemas)
    return tools, scoring, similarity.name if similarity else None


def _find_tools(model: str | None, functions: Path | None) -> tuple[dict[str, Any], ...]:
    if functions is not None:
        return load_tools(functions)
    if model is not None and is_adapter(model) and (tools := read_training(Path(model)).get("tools")):
        return tuple(tools)
    fix = "Give --pack NAME, or --functions FILE with a JSON list of them"
    raise InputError([Fault("--functions", "it is not known which functions the model may call", fix)])


def choose_endpoint(file: Path, model: str) -> EndpointsFile:
    """The file with the one endpoint that ``model`` names, by its name or by a role that it plays."""
    endpoints = load_endpoints(file)
    by_role = {str(role): name for role, name in endpoints.roles.items() if name is not None}
    name = model if model in endpoints.endpoints else by_role.get(model)
    if name is None:
        known = ", ".join([*endpoints.endpoints, *by_role])
        raise ConfigError([Fault(str(file), f"no endpoint and no role is called {model}", f"Name one of: {known}")])
    return EndpointsFile(endpoints={name: endpoints.endpoints[name]}, roles={"text": name})
