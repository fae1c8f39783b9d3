"""Keywords and verbs of a pack, looked up in queries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routenator.engine.validation.lexicon import Lexicon, Mention


def test_mentions_are_spans_of_counted_words_in_order(lexicon):
    found = lexicon.mentions("Retro-style icons & a photo", "en")
    assert found == (Mention("icon", 1, 2), Mention("image", 3, 4))


def test_keyword_inside_a_longer_keyword_is_not_a_mention_of_its_own(tiny_pack):
    spec = tiny_pack.spec
    icon = spec.categories["icon"].model_copy(update={"keywords": {"en": ("photo icon",)}})
    spec = spec.model_copy(update={"categories": {**spec.categories, "icon": icon}})
    found = Lexicon.from_pack(replace(tiny_pack, spec=spec)).mentions("cat photo icons", "en")
    assert found == (Mention("icon", 1, 3),)


def test_language_without_keywords_falls_back_to_the_packs_first(lexicon):
    assert lexicon.mentions("cat icon", "xx") == lexicon.mentions("cat icon", "en") != ()


@pytest.mark.parametrize(("action", "functions"), [(("make",), {"generate"}), (("show", "me"), {"search"})])
def test_actions_know_their_functions(lexicon, action, functions):
    assert lexicon.actions[action] == functions


def test_action_that_asks_for_any_function_is_no_phrase_of_one(lexicon):
    assert lexicon.actions[("get",)] == {"search", "generate"}
    assert "get" not in [*lexicon.phrases["search"], *lexicon.phrases["generate"]]


def test_phrases_keep_the_packs_order(lexicon):
    assert lexicon.phrases["search"][:3] == ("find", "look for", "show me")


def test_only_a_verb_before_its_object_stands_alone(lexicon):
    assert "play" in lexicon.verbs
    assert "pull" not in lexicon.verbs
