"""Arms as generation recipes, and those that are no arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from routenator.engine.ablation.arms import Population, resolve_arms
from routenator.engine.ablation.settings import BUILT_IN_ARMS, ArmSettings, load_ablation
from routenator.engine.config import Recipe
from routenator.engine.errors import ConfigError, InputError

BASE = Recipe(pack="tiny", rows=8, endpoints="e.yaml", on_missing_vision="redistribute")
FIVE = tuple(ArmSettings(name=name) for name in BUILT_IN_ARMS)
SEEING = Population(
    {"heuristic": 0.6, "text": 0.2, "vision": 0.2}, {"heuristic": 0.75, "text": 0.25}, sees=True
)  # fmt: skip
BLIND = Population(SEEING.routes, SEEING.without_vision, sees=False)


def load(folder: Path, text: str):
    path = folder / "ablation.yaml"
    path.write_text("recipe: demo\ntrain: smollm2-cpu\nrows: 10\nseeds: [1]\n" + text)
    return load_ablation(path)


def test_the_five_arms_differ_in_what_their_names_say():
    arms, skipped = resolve_arms(FIVE, BASE, SEEING, "a.yaml")
    recipes = {arm.name: arm.recipe for arm in arms}
    assert skipped == {}
    assert recipes["router"] == BASE
    assert recipes["heuristic-only"] == BASE.model_copy(update={"routes": {"heuristic": 100.0}})
    single = recipes["single-prompt-only"]
    assert (single.routes, single.prompts) == ({"text": 100.0}, ("text/plain",))
    assert recipes["router-without-vision"].routes == SEEING.without_vision
    assert not recipes["router-without-critique"].critique.enabled
    assert recipes["router-without-critique"].critique.max_attempts == BASE.critique.max_attempts


def test_without_an_endpoint_that_sees_the_arm_without_vision_is_left_out_and_why_is_said():
    arms, skipped = resolve_arms(FIVE, BASE, BLIND, "a.yaml")
    assert [arm.name for arm in arms] == [name for name in BUILT_IN_ARMS if name != "router-without-vision"]
    assert skipped == {"router-without-vision": "its rows would be those of router (no endpoint sees)"}
    pack = Population(SEEING.without_vision, SEEING.without_vision, sees=True)
    assert "the pack has no vision routes" in resolve_arms(FIVE, BASE, pack, "a.yaml")[1]["router-without-vision"]


def test_vision_that_no_endpoint_serves_is_a_fault_where_the_recipe_wants_it():
    strict = BASE.model_copy(update={"on_missing_vision": "fail"})
    with pytest.raises(ConfigError, match="arm router has vision routes, and no endpoint sees"):
        resolve_arms(FIVE, strict, BLIND, "a.yaml")
    resolve_arms(FIVE[:1], strict, BLIND, "a.yaml")


def test_cells_that_only_vision_serves_leave_no_arm_without_it():
    with pytest.raises(ConfigError, match="without vision some cells"):
        resolve_arms(FIVE, BASE, Population({"vision": 1.0}, {}, sees=True), "a.yaml")


def test_overrides_of_an_own_arm_are_checked_and_named():
    own = ArmSettings(name="own", overrides={"rows": 3, "critique": {"max_attempts": 0}, "routse": {"text": 1}})
    with pytest.raises(ConfigError) as caught:
        resolve_arms((own,), BASE, SEEING, "a.yaml")
    assert [(fault.field, fault.message) for fault in caught.value.faults] == [
        ("arms.own.overrides.rows", "is the same for all arms"),
        ("arms.own.overrides.critique.max_attempts", "Input should be greater than or equal to 1"),
        ("arms.own.overrides.routse", "Extra inputs are not permitted"),
    ]


def test_an_ablation_lists_arms_by_name_or_in_full(tmp_path):
    found = load(tmp_path, "arms:\n- router\n- {name: own, overrides: {critique: {judge_pairs: 0}}}\n")
    assert [arm.name for arm in found.arms] == ["router", "own"]
    assert load(tmp_path, "").arms == FIVE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arms: [rooter]", "rooter is no arm that we know"),
        ("arms: [router, router]", "stands here twice"),
        ("arms: [untuned]", "untuned is no arm"),
        ("arms: [../router]", "String should match"),
        ("arms: []", "at least 1"),
        ("max_steps: 0", "greater than or equal to 1"),
    ],
)
def test_a_faulty_ablation_says_what_is_wrong(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        load(tmp_path, text)
