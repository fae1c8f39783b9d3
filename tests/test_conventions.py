"""What every file of the repository keeps to: shipped configs load, shipped prompts render, files stay small."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from fakes.serving import is_asked_for

from routenator.engine.config import load_endpoints, load_recipe
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.domain.pack_paths import resolve_pack
from routenator.engine.prompting.examples import ExampleBank, load_examples
from routenator.engine.prompting.grammar import Grammar, slot_values
from routenator.engine.prompting.library import PromptLibrary, shipped_prompts
from routenator.engine.prompting.template import GENERATION_VARIABLES, PromptTemplate
from routenator.engine.prompting.variables import example_variables, sample_variables
from routenator.engine.routing.fitting import fit_targets
from routenator.engine.routing.plan import Plan
from routenator.engine.sample import ContentRef, Grounding, NodeRef, Stratum

CHECKOUT = Path(__file__).parents[1]
MAX_LINES = 400
RECIPES = sorted((CHECKOUT / "recipes").glob("*.yaml"))
ENDPOINTS = sorted((CHECKOUT / "recipes" / "endpoints").glob("*.yaml"))
PACKS = sorted(path.parent.name for path in (CHECKOUT / "domains").glob("*/domain.yaml"))

# In parts, so that this file does not name them itself.
_FOREIGN = re.compile(
    "|".join(("/" + "work/", "/tmp/" + "brief", "/opt/" + "pypi", "pypi" + r"\.internal", "art" + "ifactory"))
)


def _tracked_files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return [path for name in done.stdout.decode().split("\0") if name and (path := CHECKOUT / name).is_file()]


def _python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in (CHECKOUT / folder).rglob("*.py")]


@pytest.fixture(scope="module", params=PACKS)
def pack(request: pytest.FixtureRequest) -> DomainPack:
    return load_pack(request.param)


@pytest.fixture(scope="module")
def library(pack: DomainPack) -> PromptLibrary:
    return PromptLibrary.load([shipped_prompts(), pack.root / "prompts"], pack.spec.walk, pack.spec.spoken_arguments)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_recipe_loads_and_names_what_exists(path):
    recipe = load_recipe(path)
    assert (path.parent / recipe.endpoints).is_file()
    assert (resolve_pack(recipe.pack, path.parent) / "domain.yaml").is_file()


@pytest.mark.parametrize("path", ENDPOINTS, ids=lambda path: path.name)
def test_shipped_endpoints_file_loads(path):
    assert load_endpoints(path).endpoint_of("text") is not None


@pytest.mark.parametrize("path", [*RECIPES, *ENDPOINTS], ids=lambda path: path.name)
def test_shipped_config_begins_with_the_command_that_runs_it(path):
    assert path.read_text("utf-8").startswith("# routenator ")


def test_something_is_shipped():
    assert RECIPES and ENDPOINTS and PACKS


def _grounding(pack: DomainPack, function: str, category: str) -> Grounding:
    """Any node of each type that allows the label, and any content item with an image: enough to render with."""
    nodes = []
    for kind in pack.spec.walk:
        fitting = (
            node
            for node in pack.nodes_by_id.values()
            if node.type == kind
            and (not node.categories or category in node.categories)
            and (not node.functions or function in node.functions)
        )
        node = next(fitting)
        nodes.append(NodeRef(node.id, node.type, node.label))
    item = next((item for item in pack.content if item.image), pack.content[0])
    return Grounding(tuple(nodes), (), ContentRef(item.id, item.title, item.keywords, item.type, item.image))


def _strata(pack: DomainPack) -> list[Stratum]:
    """Enough slots of the pack's own plan to meet every prompt that its targets can choose."""
    plan = Plan(fit_targets(pack.targets), rows=2000, seed=1)
    return list(dict.fromkeys(plan.stratum(slot) for slot in range(2000)))


def test_every_shipped_prompt_serves_a_stratum_and_renders(pack, library):
    examples = ExampleBank.build(
        load_examples([shipped_prompts(), pack.root / "prompts"]),
        lambda example: Stratum("text", example.function, example.category, example.language, "3", "fragment", "end"),
    )
    met = set()
    for stratum in _strata(pack):
        for prompt in library.serving(stratum):
            if prompt.name in met:
                continue
            met.add(prompt.name)
            grounding = _grounding(pack, stratum.function, stratum.category)
            said = dict.fromkeys(sorted(stratum.present), "Zorima")
            if isinstance(prompt, Grammar) and prompt.argument_names:
                continue  # what it can say is shown in tests/domains
            if isinstance(prompt, Grammar):
                forms = [(node.type, (node.label,)) for node in grounding.nodes]
                values = slot_values(forms, ("photo", "photos"))
                query, _ = prompt.generate(stratum.phrasing, values, 1, bool)
                assert query, f"{prompt.name} expands to nothing for {stratum}"
                continue
            shots = examples.choose(stratum, prompt.meta.examples)
            values = sample_variables(pack, stratum, grounding, said, "photo", "", None)
            assert values.keys() | {"answer"} == GENERATION_VARIABLES
            turns = prompt.render_turns(example_variables(pack, stratum, shot, i) for i, shot in enumerate(shots))
            messages = prompt.render(values, turns)
            assert messages[-1]["role"] == "user" and messages[-1]["content"].strip()
    unused = {name for name, prompt in library.prompts.items() if not name.startswith("judge/") and prompt.meta.weight}
    assert {name for name in unused - met if is_asked_for(pack, library.prompts[name])} == set()


def test_judge_prompts_are_there(library):
    for name in ("judge/rubric", "judge/relabel"):
        assert isinstance(library.template(name), PromptTemplate)


@pytest.mark.parametrize("path", _python_files("engine", "graphs"), ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_no_file_is_too_long(path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES, "which noun is hiding in it?"


def _skips_without_reason(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        given = None
        if name == "pytest.skip":
            given = [*node.args, *(word for word in node.keywords if word.arg == "reason")]
        elif name in ("pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"):
            given = [word for word in node.keywords if word.arg == "reason"]
        if given == []:
            found.append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")
    return found


def test_every_skip_gives_its_reason():
    assert [place for path in _python_files("tests") for place in _skips_without_reason(path)] == []


def test_no_tracked_file_names_a_machine_path_or_a_registry_host():
    found = []
    for path in _tracked_files():
        if path.suffix in (".png", ".webp", ".jpg"):
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if _FOREIGN.search(line):
                found.append(f"{path.relative_to(CHECKOUT)}:{number}")
    assert found == []
