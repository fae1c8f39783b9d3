"""The shipped pack keeps what its users are promised: enough of everything, and nothing that contradicts itself."""

import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from routenator.engine.domain.coverage import reachable_cells
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.routing.fitting import FittedTable, fit_targets
from routenator.engine.routing.targets import parse_length_band

CHECKOUT = Path(__file__).parents[2]
MAX_IMAGE_BYTES = 13_000
MAX_IMAGES_BYTES = 4_000_000


@pytest.fixture(scope="module")
def pack() -> DomainPack:
    return load_pack("design")


@pytest.fixture(scope="module")
def joint(pack: DomainPack) -> FittedTable:
    return next(table for table in fit_targets(pack.targets) if "category" in table.axes)


def _share(table: FittedTable, **wanted: str) -> float:
    at = {table.axes.index(axis): value for axis, value in wanted.items()}
    cells = zip(table.cells, table.shares.tolist(), strict=True)
    return sum(share for cell, share in cells if all(cell[i] == value for i, value in at.items()))


def test_graph_holds_the_promised_numbers_of_nodes(pack):
    counts = Counter(node.type for node in pack.nodes)
    assert counts["UserIntent"] >= 60
    assert counts["DesignType"] >= 60
    assert counts["SceneObject"] >= 600
    assert counts["Action"] >= 30
    assert len(pack.spec.categories) >= 12


def test_every_category_has_several_design_types(pack):
    counts = Counter(c for node in pack.nodes if node.type == "DesignType" for c in node.categories)
    assert min(counts[category] for category in pack.spec.categories) >= 10


def test_every_function_and_category_is_reached_by_a_walk(pack):
    cells = reachable_cells(pack.spec, pack.functions_by_name, pack.nodes, pack.edges)
    assert cells == {(f, c) for f in pack.functions_by_name for c in pack.spec.categories}


def test_every_intent_leads_on_and_nothing_is_left_lying(pack):
    sources, targets = {edge.source for edge in pack.edges}, {edge.target for edge in pack.edges}
    assert [n.id for n in pack.nodes if n.type != "Action" and n.id not in sources] == []
    assert [n.id for n in pack.nodes if n.type != "UserIntent" and n.id not in targets] == []


def test_labels_name_no_category_but_their_design_types_own(pack):
    words = {w: c for c, category in pack.spec.categories.items() for w in category.keywords["en"]}
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b")
    wrong = []
    for node in pack.nodes:
        for label in (node.label, *node.aliases):
            named = {words[word] for word in pattern.findall(label.lower())}
            if named - (node.categories if node.type == "DesignType" else set()):
                wrong.append((node.id, label, named))
    assert wrong == []


def test_an_alias_stands_for_one_node(pack):
    names = Counter((node.type, name.lower()) for node in pack.nodes for name in {node.label, *node.aliases})
    assert [name for name, count in names.items() if count > 1] == []


def test_a_keyword_names_one_category(pack):
    counts = Counter(word for category in pack.spec.categories.values() for word in category.keywords["en"])
    assert [word for word, count in counts.items() if count > 1] == []


def test_content_is_plenty_in_every_category(pack):
    items = Counter(item.type for item in pack.content)
    drawn = Counter(item.type for item in pack.content if item.image)
    assert len(pack.content) >= 600
    assert sum(drawn.values()) >= 200
    assert min(items[category] for category in pack.spec.categories) >= 25
    assert min(drawn[category] for category in pack.spec.categories) >= 10


def test_no_title_stands_twice(pack):
    counts = Counter(item.title.lower() for item in pack.content)
    assert [title for title, count in counts.items() if count > 1] == []


def test_items_carry_three_to_eight_keywords_that_the_graph_knows(pack):
    labels = {name.lower() for node in pack.nodes for name in (node.label, *node.aliases)}
    assert [item.id for item in pack.content if not 3 <= len(item.keywords) <= 8] == []
    known = [item for item in pack.content if labels & set(item.keywords)]
    assert len(known) >= 0.9 * len(pack.content)
    assert all(item in known for item in pack.content if item.image)


def test_images_decode_and_stay_small(pack):
    paths = [pack.image_path(item.image) for item in pack.content if item.image]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert path.stat().st_size <= MAX_IMAGE_BYTES, path
        with Image.open(path) as image:
            image.load()
            assert image.width * image.height >= 50_000, path
            assert len(image.convert("RGB").getcolors(1_000_000)) > 2, f"{path} shows nothing"
    assert sum(path.stat().st_size for path in paths) <= MAX_IMAGES_BYTES
    stored = set((pack.root / "images").iterdir())
    assert stored == {path.resolve() for path in paths}


def test_images_dominate_but_stay_below_sixty_per_cent(joint):
    shares = joint.marginal("category")
    assert max(shares, key=shares.get) == "image"
    assert shares["image"] < 0.6
    for function in ("search", "generate"):
        assert _share(joint, function=function, category="image") < 0.6 * _share(joint, function=function)


def test_searches_are_short_and_generation_stays_below_forty_words(joint):
    shares = joint.marginal("length")
    bands = {band: parse_length_band(band) for band in shares}
    searches = {band: _share(joint, function="search", length=band) for band in bands}
    below_ten = sum(share for band, share in searches.items() if bands[band][1] < 10)
    assert below_ten > 0.9 * sum(searches.values())
    assert all(high < 40 for band, (_, high) in bands.items() if _share(joint, function="generate", length=band))


@pytest.mark.parametrize("function", ["search", "generate"])
def test_length_bands_of_a_function_do_not_overlap(joint, function):
    used = sorted(parse_length_band(b) for b in joint.marginal("length") if _share(joint, function=function, length=b))
    assert all(before[1] < after[0] for before, after in pairwise(used))


def test_only_pictures_are_asked_for_without_their_word(joint):
    at = joint.axes.index("category"), joint.axes.index("keyword_position")
    assert {cell[at[0]] for cell in joint.cells if cell[at[1]] == "absent"} == {"image"}


def test_two_or_three_words_are_never_a_sentence(joint):
    at = joint.axes.index("length"), joint.axes.index("phrasing")
    assert {cell[at[1]] for cell in joint.cells if cell[at[0]] == "1-3"} == {"fragment"}


def test_sources_give_the_committed_graph_and_content(pack, tmp_path):
    script = CHECKOUT / "scripts" / "design_pack" / "build.py"
    subprocess.run([sys.executable, str(script), "--pack", str(tmp_path)], check=True, capture_output=True, timeout=60)
    for file in ("graph/nodes.csv", "graph/edges.csv", "content.jsonl"):
        assert (tmp_path / file).read_bytes() == (pack.root / file).read_bytes(), f"{file}: run the script again"
