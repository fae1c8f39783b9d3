"""Imports run one way, and looking at the command line loads nothing heavy."""

import ast
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

FOUNDATIONS = (
    "errors",
    "digest",
    "folders",
    "lock_file",
    "stop_signals",
    "display",
    "json_lines",
    "yaml_source",
    "json_schema",
    "config",
    "sample",
)
"""In this order; everything else may import them all."""

MAY_IMPORT: dict[str, set[str]] = {
    # Services, each with the services that it may know.
    "traces": set(),
    "ledger": set(),
    "embedding": set(),
    "llm": set(),
    "routing": set(),
    "domain": {"routing"},
    "kg": {"domain"},
    "prompting": {"domain", "routing"},
    "validation": {"domain", "llm", "prompting", "routing"},
    "population": {"domain", "embedding", "routing", "validation"},
    "datasets": {"domain", "routing"},
    "training": {"datasets", "domain", "llm"},
    "evaluation": {"datasets", "domain", "embedding", "llm", "training"},
    "reports": {"datasets", "domain", "ledger", "population", "routing", "validation"},
    "ablation": {"datasets", "evaluation", "reports", "training"},
    # What flows through the graph, and what its nodes may use.
    "state": {"traces"},
    "deps": {"domain", "kg", "llm", "prompting", "routing", "validation"},
    "runs": {"state", "traces", "ledger", "llm", "datasets", "routing"},
    "nodes": {"state", "deps", "domain", "kg", "llm", "prompting", "routing", "validation"},
    "graphs": {"nodes", "state", "deps"},
}
"""Layer → layers that it may import besides `FOUNDATIONS`; only lines above its own, so no cycle can arise."""

TOP = {"cli", "view"}
"""Where things are put together: may import everything, and nothing imports it."""

EXTRAS = ("xllamacpp", "tokenizers", "safetensors", "resvg_py", "torch", "transformers", "datasets", "trl", "peft")
HEAVY = (*EXTRAS, "langgraph", "kuzu", "openai", "scipy", "pyarrow")


def _layer(module: str) -> str:
    """``routenator.engine.kg.store`` → ``kg``; ``routenator.graphs.sample`` → ``graphs``."""
    parts = module.split(".")[1:]
    return (parts[1] if len(parts) > 1 else "engine") if parts[:1] == ["engine"] else parts[0]


def _imports(path: Path) -> set[str]:
    """Our modules that a file imports anywhere, type-checking blocks and function bodies included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from routenator.engine import errors` names a module too
            whole = [node.module or ""]
            if node.module in ("routenator", "routenator.engine"):
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(whole)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name.startswith("routenator.")}


def _arrows() -> dict[tuple[str, str], set[str]]:
    """(layer, imported layer) → files in which the import stands."""
    arrows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for root in ("engine", "graphs"):
        for path in (CHECKOUT / root).rglob("*.py"):
            name = path.relative_to(CHECKOUT)
            here = _layer(".".join(("routenator", *name.with_suffix("").parts)))
            for imported in _imports(path):
                if _layer(imported) != here:
                    arrows[here, _layer(imported)].add(str(name))
    return arrows


def _allowed(layer: str) -> set[str]:
    if layer in TOP:
        return {*FOUNDATIONS, *MAY_IMPORT}
    if layer in FOUNDATIONS:
        return set(FOUNDATIONS[: FOUNDATIONS.index(layer)])
    return {*FOUNDATIONS, *MAY_IMPORT.get(layer, ())}


def test_imports_run_one_way():
    wrong = {
        f"{here} -> {there}": sorted(files) for (here, there), files in _arrows().items() if there not in _allowed(here)
    }
    assert not wrong


def test_every_layer_has_its_place():
    found = {p.stem for p in (CHECKOUT / "engine").iterdir() if p.name != "__init__.py" and not p.name.startswith("_")}
    assert found - {*FOUNDATIONS, *MAY_IMPORT, *TOP} == set()


def test_allowed_arrows_hold_no_cycle():
    above: set[str] = set()
    for layer, imported in MAY_IMPORT.items():
        assert imported <= above, f"{layer} may import {imported - above}, which stands below it"
        above.add(layer)


def test_arrows_are_seen():
    """The walk above finds what is plainly there; otherwise it would pass on nothing."""
    arrows = _arrows()
    assert ("graphs", "nodes") in arrows
    assert "engine/domain/pack.py" in arrows["domain", "routing"]


def _loaded_by(code: str) -> set[str]:
    """Top-level names in ``sys.modules`` after ``code``, in a process of its own."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_command_line_loads_no_extra_and_nothing_heavy():
    assert _loaded_by("import routenator.engine.cli.main") & set(HEAVY) == set()


def test_importing_every_module_loads_no_extra():
    walk = (
        "import importlib, pkgutil, routenator.engine as e, routenator.graphs as g\n"
        "for p in (e, g):\n"
        "    for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.'):\n"
        "        importlib.import_module(m.name)\n"
    )
    loaded = _loaded_by(walk)
    assert "langgraph" in loaded, "the walk imported nothing"
    assert loaded & set(EXTRAS) == set()


@pytest.mark.parametrize("name", ["engine", "graphs", "prompts"])
def test_bare_folder_names_are_not_importable_and_banned(name, tmp_path):
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is not None)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, timeout=60).returncode == 0
    config = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))
    assert name in config["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
