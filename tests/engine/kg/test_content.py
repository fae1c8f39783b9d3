from collections import Counter
from collections.abc import Callable

import pytest

from routenator.engine.domain.pack import ContentItem, DomainPack, GraphNode
from routenator.engine.kg.content import ContentIndex, stem_words
from routenator.engine.sample import NodeRef

NODES = (
    GraphNode("n1", "Intent", "celebrate a birthday", ("party",)),
    GraphNode("n2", "Scene", "paper lanterns", ("lampion",)),
)
ITEMS = (
    ContentItem("cake", "Birthday cake with candles", ("cake", "party", "celebrate"), "image", "images/cake.png"),
    ContentItem("lantern", "Red paper lantern", ("lantern", "birthday"), "image"),
    ContentItem("sea", "Calm sea at dawn", ("sea", "water"), "image", "images/sea.png"),
    ContentItem("lampion", "Lampion bleu", ("lampion",), "image", locale="fr-FR"),
    ContentItem("song", "Birthday song", ("song",), "audio"),
)
WALK = tuple(NodeRef(node.id, node.type, node.label) for node in NODES)


@pytest.fixture
def index(make_pack: Callable[..., DomainPack]) -> ContentIndex:
    return ContentIndex(make_pack(NODES, content=ITEMS))


def picks(index: ContentIndex, category: str, language: str = "en", needs_image: bool = False) -> Counter[str]:
    items = (index.pick(WALK, category, language, seed, needs_image) for seed in range(400))
    return Counter(item.id for item in items if item is not None)


def test_the_item_that_shares_most_with_the_walk_is_preferred(index: ContentIndex) -> None:
    drawn = picks(index, "image")
    assert drawn["lantern"] > drawn["cake"]
    assert "sea" not in drawn


def test_the_draw_varies_with_the_seed_and_only_with_it(index: ContentIndex) -> None:
    drawn = picks(index, "image")
    assert drawn["cake"] > 20
    assert drawn == picks(index, "image")


def test_only_items_with_an_image_serve_where_one_is_needed(index: ContentIndex) -> None:
    assert picks(index, "image", needs_image=True).keys() == {"cake"}


def test_the_items_language_is_the_walks_where_there_are_any(index: ContentIndex) -> None:
    assert picks(index, "image", "fr").keys() == {"lampion"}
    assert picks(index, "image", "fr-CA").keys() == {"lampion"}
    assert "lampion" not in picks(index, "image", "en")


def test_items_of_any_language_serve_where_its_own_has_none(index: ContentIndex) -> None:
    assert picks(index, "audio", "de").keys() == {"song"}


@pytest.mark.parametrize(("category", "needs_image"), [("video", False), ("audio", True)])
def test_a_category_without_items_gives_none(index: ContentIndex, category: str, needs_image: bool) -> None:
    assert index.pick(WALK, category, "en", 1, needs_image) is None


def test_a_walk_that_no_item_fits_gets_one_of_the_category(index: ContentIndex) -> None:
    stranger = (NodeRef("n9", "Scene", "telescope"),)
    assert {index.pick(stranger, "image", "en", seed, False).id for seed in range(100)} == {"cake", "lantern", "sea"}  # type: ignore[union-attr]


def test_equal_items_are_drawn_from_all_of_them(make_pack: Callable[..., DomainPack]) -> None:
    items = [ContentItem(f"c{i}", "Birthday", (), "image") for i in range(30)]
    index = ContentIndex(make_pack(NODES, content=items))
    assert len(picks(index, "image")) == 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Posters for the parties", ["poster", "party"]),
        ("glass bus analysis", ["glass", "bus", "analysis"]),
        ("Ünïcode_words: café-bars", ["ünïcode", "word", "café", "bar"]),
        ("", []),
    ],
)
def test_words_are_stemmed_simply(text: str, words: list[str]) -> None:
    assert stem_words(text) == words
