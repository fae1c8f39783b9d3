"""Recipes: files, or those that come with the package, by their names."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from routenator.engine.errors import ConfigError, Fault


def find_recipe(recipe: str) -> Path:
    """Path of a recipe file, or of a shipped recipe by its name.

    Raises:
        ConfigError: There is none.
    """
    return _find(recipe, "recipes", "recipe")


def find_train_recipe(recipe: str) -> Path:
    """`find_recipe` for trainings."""
    return _find(recipe, "recipes/train", "training recipe")


def find_ablation(recipe: str) -> Path:
    """`find_recipe` for ablations."""
    return _find(recipe, "recipes/ablate", "ablation recipe")


def _find(recipe: str, folder: str, what: str) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(Path(str(resources.files("routenator") / folder)).glob("*.yaml"))}
    if recipe not in shipped:
        fix = f"Give a file, or a shipped recipe's name ({', '.join(shipped)})"
        raise ConfigError([Fault(recipe, f"no such {what}", fix)])
    return shipped[recipe]
