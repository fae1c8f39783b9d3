"""``routenator validate``: find every fault of packs, recipes, endpoints files and prompts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from routenator.engine.cli.console import EXIT_INPUT, print_json, say
from routenator.engine.errors import ConfigError, Fault, InputError


def validate(
    paths: Annotated[
        list[str],
        typer.Argument(help="Pack folders or shipped packs' names, recipes, endpoints files, prompts folders."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write the faults as one JSON object.")] = False,
) -> None:
    """Check files without running anything; every fault comes with file, line, field and fix.

    Example: routenator validate design recipes/demo.yaml prompts
    """
    found: dict[str, tuple[str, list[Fault]]] = {}
    for path in paths:
        kind, check = _checker_of(path)
        try:
            check()
        except InputError as exc:
            found[path] = (kind, list(exc.faults))
        else:
            found[path] = (kind, [])
    count = sum(len(faults) for _, faults in found.values())
    if as_json:
        files = [
            {"path": path, "kind": kind, "faults": [asdict(f) for f in faults]}
            for path, (kind, faults) in found.items()
        ]
        print_json({"ok": count == 0, "files": files})
    else:
        for path, (kind, faults) in found.items():
            _print_verdict(path, kind, faults)
    if count:
        raise typer.Exit(EXIT_INPUT)


def validate_pack(pack: str | Path) -> None:
    """Load a pack and its own prompts.

    Raises:
        InputError: With every fault of both.
    """
    from routenator.engine.cli.inputs import assemble_inputs
    from routenator.engine.config import EndpointsFile, Recipe
    from routenator.engine.domain.pack_paths import resolve_pack

    # As a run does, but for the endpoints, which no pack names.
    recipe = Recipe(pack=str(resolve_pack(pack)), rows=1, endpoints="")
    assemble_inputs(recipe, EndpointsFile(endpoints={}, roles={}))


def _checker_of(path: str) -> tuple[str, Callable[[], object]]:
    """Kind of the file by what it holds, and the check for it."""
    from routenator.engine.cli.inputs import load_inputs
    from routenator.engine.config import load_endpoints
    from routenator.engine.prompting.library import PROMPT_FOLDERS
    from routenator.engine.yaml_source import load_yaml

    place = Path(path)
    if place.is_dir() and not (place / "domain.yaml").exists() and any((place / n).is_dir() for n in PROMPT_FOLDERS):
        return "prompts", lambda: _validate_prompts(place)
    if not place.is_file():
        return "pack", lambda: validate_pack(path)
    if place.name == "domain.yaml":
        return "pack", lambda: validate_pack(place.parent)
    try:
        keys = load_yaml(place, ConfigError).data
    except ConfigError:
        return "YAML", lambda: load_yaml(place, ConfigError)
    if isinstance(keys, dict) and ("roles" in keys or isinstance(keys.get("endpoints"), dict)):
        return "endpoints file", lambda: load_endpoints(place)
    return "recipe", lambda: load_inputs(place, {})


def _validate_prompts(folder: Path) -> None:
    from routenator.engine.prompting.library import PromptLibrary

    # Outside a pack the node types are those of the paper's domain, which the shipped prompts are written for.
    PromptLibrary.load([folder], ("UserIntent", "DesignType", "SceneObject", "Action"))


def _print_verdict(path: str, kind: str, faults: list[Fault]) -> None:
    if not faults:
        say(f"{path}: {kind} ok", style="green")
        return
    say(f"{path}: {kind}, {len(faults)} fault{'s' if len(faults) > 1 else ''}", style="bold red")
    for fault in faults:
        say(f"  {fault}")
