"""What a run is made from: found, loaded, checked as a whole, and stored so that it can be continued."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from routenator.engine.cli.inputs import RunInputs, load_inputs, stored_inputs
from routenator.engine.cli.shipped import find_recipe
from routenator.engine.errors import ConfigError, DomainError, Fault, InputError, PromptError, RunError
from routenator.engine.prompting.library import shipped_prompts
from routenator.engine.sample import Stratum

TINY = Path(__file__).parents[2] / "packs" / "tiny"
EXAMPLE = {"function": "search", "category": "icon", "query": "star icon", "nodes": {"SceneObject": "stars"}}


@dataclass(frozen=True)
class Workspace:
    """A recipe, its endpoints file and a pack of its own in one folder."""

    folder: Path

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.yaml"

    def load(self, **overrides: object) -> RunInputs:
        return load_inputs(self.recipe, overrides)

    def faults(self) -> tuple[Fault, ...]:
        with pytest.raises(InputError) as caught:
            self.load()
        return caught.value.faults

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace ``old``, which must be there, in a file of the folder."""
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def add(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add_text_prompt(self, front: str, user: str = "{{ function }}") -> None:
        schema = "schema: {type: object, properties: {query: {type: string}}, required: [query]}"
        self.add("pack/prompts/text/own.md", f"---\nmodality: text\n{front}\n{schema}\n---\n## user\n{user}\n")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    shutil.copytree(TINY, tmp_path / "pack")
    made = Workspace(tmp_path)
    made.add("recipe.yaml", "pack: pack\nrows: 20\nseed: 3\nendpoints: servers/endpoints.yaml\n")
    made.add(
        "servers/endpoints.yaml",
        "endpoints:\n  one: {base_url: 'http://127.0.0.1:9/v1', model: fake}\nroles: {text: one, vision: one}\n",
    )
    return made


def test_recipe_is_found_by_path_and_shipped_ones_by_name(workspace: Workspace) -> None:
    assert find_recipe(str(workspace.recipe)) == workspace.recipe
    assert find_recipe("demo").name == "demo.yaml"
    assert find_recipe("assistant-qwen").name == "assistant-qwen.yaml"


@pytest.mark.parametrize("name", ["no-such-recipe", "../demo", "demo.yaml", "", "endpoints/vllm"])
def test_recipe_that_is_not_there_names_the_shipped_ones(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no such recipe.*demo"):
        find_recipe(name)


def test_paths_are_relative_to_the_recipe_whatever_the_working_directory(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    inputs = workspace.load()
    assert inputs.pack.root == workspace.folder / "pack"
    assert inputs.recipe.pack == str(workspace.folder / "pack")
    assert Path(inputs.recipe.endpoints) == workspace.folder / "servers" / "endpoints.yaml"
    assert inputs.endpoints.roles == {"text": "one", "vision": "one"}


def test_command_line_overrides_the_recipe_and_none_does_not(workspace: Workspace) -> None:
    inputs = workspace.load(rows=7, seed=None)
    assert (inputs.recipe.rows, inputs.recipe.seed) == (7, 3)


def test_endpoints_of_the_command_line_replace_the_recipes(workspace: Workspace) -> None:
    workspace.add(
        "other.yaml", "endpoints:\n  two: {base_url: 'http://127.0.0.1:9/v1', model: b}\nroles: {text: two}\n"
    )
    inputs = workspace.load(endpoints=str(workspace.folder / "other.yaml"))
    assert inputs.endpoints.roles == {"text": "two"}


def test_files_that_are_not_there_are_input_errors(workspace: Workspace) -> None:
    workspace.edit("recipe.yaml", "servers/", "nowhere/")
    assert "no such file" in workspace.faults()[0].message
    workspace.edit("recipe.yaml", "pack: pack", "pack: ../none")
    with pytest.raises(DomainError, match="no such pack folder"):
        workspace.load()


def test_stratum_that_no_prompt_serves_is_named(workspace: Workspace) -> None:
    workspace.edit("pack/domain.yaml", "languages: [en]", "languages: [en, de]")
    table = {"axes": ["language"], "marginals": [{"axes": ["language"], "shares": {"en": 0.9, "de": 0.1}}]}
    targets = yaml.safe_load((workspace.folder / "pack" / "targets.yaml").read_text())
    workspace.add("pack/targets.yaml", yaml.safe_dump({"tables": [*targets["tables"], table]}))
    pack = yaml.safe_load((workspace.folder / "pack" / "domain.yaml").read_text())
    for category in pack["categories"].values():
        category["keywords"]["de"] = ["bild"]
    workspace.add("pack/domain.yaml", yaml.safe_dump(pack))
    faults = workspace.faults()
    assert {re.match(r"no (\w+) prompt serves", fault.message)[1] for fault in faults} == {"heuristic"}  # type: ignore[index]
    assert len(faults) == 2, "one for each function"
    assert "language='de'" in faults[0].message


def test_vision_route_of_a_category_without_images_is_named(workspace: Workspace) -> None:
    path = workspace.folder / "pack" / "content.jsonl"
    items = [json.loads(line) for line in path.read_text().splitlines()]
    for item in items:
        if item["type"] == "icon":
            item.pop("image", None)
    path.write_text("\n".join(map(json.dumps, items)))
    (fault,) = workspace.faults()
    assert fault.file.endswith("content.jsonl")
    assert "category icon has no content item with one" in fault.message


def test_prompts_of_the_pack_must_speak_of_the_pack(workspace: Workspace) -> None:
    workspace.add_text_prompt("functions: [serach]\ncategories: [icon, logo]")
    faults = workspace.faults()
    assert {fault.message for fault in faults} == {
        "function 'serach' is not the pack's",
        "category 'logo' is not the pack's",
    }
    assert all(fault.file.endswith("own.md") for fault in faults)


@pytest.mark.parametrize(
    ("front", "user"),
    [
        ("description: x", "{{ labels.SceneObjects }}"),
        ("description: x", "{{ content.title }}"),
        ("grounding: walk", "{{ nodes[7].label }}"),
        ("grounding: content", "{{ content.titel }}"),
        ("description: x", "{% if feedback %}{{ feedback[0].text }}{% endif %}"),
    ],
)
def test_prompt_that_cannot_be_rendered_is_found_before_anything_is_spent(
    workspace: Workspace, front: str, user: str
) -> None:
    workspace.add_text_prompt(front, user)
    (fault,) = workspace.faults()
    assert fault.file.endswith("own.md")


def test_free_text_that_is_no_string_in_an_answers_schema_is_a_fault(workspace: Workspace) -> None:
    schema = "{type: object, properties: {query: {type: string}, prompt: {type: integer}}, required: [query]}"
    workspace.add("pack/prompts/text/own.md", f"---\nmodality: text\nschema: {schema}\n---\n## user\nhi\n")
    (fault,) = workspace.faults()
    assert "'prompt' is no string" in fault.message
    workspace.edit("pack/prompts/text/own.md", "integer", "string")
    assert "text/own" in workspace.load().prompts.prompts


def test_content_is_there_for_a_prompt_that_asks_for_it(workspace: Workspace) -> None:
    workspace.add_text_prompt("grounding: content", "{{ content.title }} {{ labels.SceneObject }}")
    assert "text/own" in workspace.load().prompts.prompts


def test_examples_must_speak_of_the_pack(workspace: Workspace) -> None:
    lines = [EXAMPLE, {**EXAMPLE, "function": "draw"}, {**EXAMPLE, "category": "logo"}]
    workspace.add("pack/prompts/examples.jsonl", "\n".join(map(json.dumps, lines)))
    with pytest.raises(PromptError) as caught:
        workspace.load()
    assert [fault.message for fault in caught.value.faults] == [
        "function 'draw' is not the pack's",
        "category 'logo' is not the pack's",
    ]


def test_values_of_examples_stand_in_their_queries(workspace: Workspace) -> None:
    line = {**EXAMPLE, "arguments": {"prompt": "moon"}}
    workspace.add("pack/prompts/examples.jsonl", json.dumps(line))
    with pytest.raises(PromptError, match="'moon' does not stand in the query once"):
        workspace.load()


def test_examples_are_measured(workspace: Workspace) -> None:
    workspace.add("pack/prompts/examples.jsonl", json.dumps(EXAMPLE))
    ((example, stratum),) = workspace.load().examples.measured
    assert example.query == "star icon"
    assert stratum == Stratum("text", "search", "icon", "en", "2", "fragment", "end")


def test_stored_identity_gives_the_same_inputs(workspace: Workspace) -> None:
    inputs = workspace.load(rows=9)
    stored = json.loads(json.dumps({"identity": inputs.identity()}))
    shutil.rmtree(workspace.folder / "servers")
    workspace.recipe.unlink()
    again = stored_inputs(stored)
    assert again.identity() == inputs.identity()
    assert again.recipe == inputs.recipe
    assert again.endpoints == inputs.endpoints


@pytest.mark.parametrize("meta", [{}, {"identity": None}, {"identity": {"recipe": {}}}])
def test_run_that_does_not_say_its_recipe_is_refused(meta: dict[str, object]) -> None:
    with pytest.raises(RunError, match="does not say its recipe"):
        stored_inputs(meta)


def test_identity_changes_with_recipe_endpoints_and_pack(workspace: Workspace) -> None:
    identities = [workspace.load().identity()]
    identities.append(workspace.load(seed=4).identity())
    workspace.edit("servers/endpoints.yaml", "model: fake", "model: other")
    identities.append(workspace.load().identity())
    workspace.edit("pack/content.jsonl", "Gold star badge", "Gold star medal")
    identities.append(workspace.load().identity())
    workspace.add_text_prompt("weight: 1")
    identities.append(workspace.load().identity())
    assert len({json.dumps(identity, sort_keys=True) for identity in identities}) == len(identities)
    assert identities[-1] == workspace.load().identity()
    assert re.fullmatch(r"[0-9a-f]{64}", identities[0]["prompts_digest"])


def test_identity_says_which_shipped_prompts_were_used(workspace: Workspace) -> None:
    assert shipped_prompts().is_dir()
    changed = {
        key
        for key, value in workspace.load(seed=5).identity().items()
        if workspace.load(seed=6).identity()[key] != value
    }
    assert changed == {"recipe"}


def test_recipe_may_name_routes_and_prompts_of_its_own(workspace: Workspace) -> None:
    workspace.edit("recipe.yaml", "seed: 3", "seed: 3\nroutes: {text: 100}\nprompts: [text/plain]")
    inputs = workspace.load()
    routes = next(table for table in inputs.tables if "route" in table.axes)
    assert routes.marginal("route") == {"text": pytest.approx(1.0)}
    assert {name for name in inputs.prompts.prompts if not name.startswith("judge/")} == {"text/plain"}
    assert inputs.identity()["recipe"]["routes"] == {"text": 100.0}
    assert inputs.identity()["recipe"]["prompts"] == ["text/plain"]


def test_prompt_that_is_not_there_names_those_that_are(workspace: Workspace) -> None:
    workspace.edit("recipe.yaml", "seed: 3", "seed: 3\nprompts: [text/none]")
    [fault] = workspace.faults()
    assert "no prompt 'text/none'" in fault.message and "text/plain" in fault.fix


def test_routes_without_a_prompt_of_theirs_are_faults(workspace: Workspace) -> None:
    workspace.edit("recipe.yaml", "seed: 3", "seed: 3\nroutes: {text: 1, vision: 1}\nprompts: [text/plain]")
    assert all("no vision prompt serves" in fault.message for fault in workspace.faults())
