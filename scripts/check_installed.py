"""Is everything that the checkout ships in the installed package? Run by wheel_smoke.sh, away from the checkout."""

import sys
from importlib import resources
from pathlib import Path

from routenator.engine.cli.inputs import load_inputs
from routenator.engine.cli.shipped import find_recipe

FOLDERS = ("engine", "graphs", "prompts", "domains", "recipes")


def main(checkout: Path) -> None:
    """Compare the files of both, then load the demo recipe with all that it names."""
    installed = Path(str(resources.files("routenator"))).resolve()
    if checkout.resolve() in installed.parents and "site-packages" not in installed.parts:
        sys.exit(f"{installed} is the checkout, not an installed package")
    missing = [
        str(path.relative_to(checkout))
        for folder in FOLDERS
        for path in (checkout / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not (installed / path.relative_to(checkout)).is_file()
    ]
    if missing:
        sys.exit(f"{len(missing)} files are not in the package, such as {missing[:5]}")
    inputs = load_inputs(find_recipe("demo"), {})
    prompts, content = len(inputs.prompts.prompts), len(inputs.pack.content)
    print(f"the demo recipe loads: {prompts} prompts, {content} content items from {inputs.pack.root}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
