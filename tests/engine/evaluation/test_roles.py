from pathlib import Path

import pytest

from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack_paths import resolve_pack
from routenator.engine.errors import InputError
from routenator.engine.evaluation.matching import ValueFolding
from routenator.engine.evaluation.roles import roles_by_name, roles_of, synonyms_of

TOOLS = [
    {"function": {"name": "Music_1.Play", "parameters": {"properties": {"kind": {}, "title": {}}}}},
    {"function": {"name": "Rate", "parameters": {"properties": {"title": {}}}}},
    {"function": {"name": "Stop"}},
]


def test_a_name_alone_means_every_function_that_has_it():
    roles = roles_by_name(TOOLS, [], ["title"])
    assert roles.free_texts == {"Music_1.Play": {"title"}, "Rate": {"title"}}
    assert roles.categories == {}


def test_a_name_with_its_function_means_that_one_also_where_functions_hold_dots():
    assert roles_by_name(TOOLS, ["Music_1.Play.kind"], ["Music_1.Play.title"]).free_texts == {"Music_1.Play": {"title"}}


def test_every_name_that_nobody_has_is_a_fault():
    with pytest.raises(InputError) as caught:
        roles_by_name(TOOLS, ["Rate.kind"], ["colour"])
    assert [fault.file for fault in caught.value.faults] == ["--category-argument", "--text-argument"]


def test_a_pack_says_its_roles_and_its_keywords_mean_its_categories():
    pack = load_pack(resolve_pack("design"))
    roles = roles_of(pack)
    assert roles.categories["search"] == {"content_type"}
    assert roles.free_texts["generate"] == {"prompt"}
    folding = ValueFolding(synonyms_of(pack))
    assert folding.fold("content_type", "Photos") == "image"
    assert folding.fold("prompt", "Photos") == "photos"


def test_a_spoken_pack_says_its_roles_function_by_function():
    pack = load_pack(Path(__file__).parents[2] / "packs" / "spoken")
    roles = roles_of(pack)
    assert roles.categories == {"book_table": {"place"}, "set_alarm": frozenset()}
    assert roles.free_texts == {"book_table": frozenset(), "set_alarm": {"label"}}
    folding = ValueFolding(synonyms_of(pack))
    assert folding.fold("place", "Coffee shop") == folding.fold("place", "cafe")
    assert folding.fold("city", "Coffee shop") == "coffee shop"
