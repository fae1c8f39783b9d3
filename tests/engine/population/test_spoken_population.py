import random
from dataclasses import replace

import pytest
from fakes.bench import SPOKEN, TINY, load_once

from routenator.engine.population.declared import DeclaredPack
from routenator.engine.population.fitting import fit_population
from routenator.engine.population.profile import NOT_NAMED, profile
from routenator.engine.population.queries import RealQuery, read_queries
from routenator.engine.sample import AXES


@pytest.fixture(scope="module")
def spoken():
    return DeclaredPack.from_pack(load_once(SPOKEN))


def query_of(place):
    return RealQuery(1, f"a {place} in Porto", "en", "book_table", True, {"place": (place,), "city": ("Porto",)})


def test_categories_of_a_function_are_those_that_its_nodes_give(spoken):
    assert spoken.categories == {"restaurant", "cafe", "hotel"}
    booking, alarm = spoken.functions["book_table"], spoken.functions["set_alarm"]
    assert booking.categories == {"restaurant", "cafe", "none"}
    assert (alarm.categories, alarm.category) == ({"none"}, None)
    assert booking.is_spoken
    plain = DeclaredPack.from_pack(load_once(TINY)).functions["search"]
    assert plain.categories == {"image", "template", "icon", "background"}
    assert not plain.is_spoken


def test_a_category_that_the_function_cannot_give_is_not_named(spoken):
    assert profile(query_of("coffee shops"), spoken).category == "cafe"
    assert profile(query_of("hotel"), spoken).category == NOT_NAMED
    assert profile(query_of("hotel restaurant"), spoken).category == "restaurant"


def test_a_plain_function_beside_spoken_ones_has_no_combinations_of_arguments(spoken):
    plain = DeclaredPack.from_pack(load_once(TINY))
    row = RealQuery(1, "cat icons", "en", "search", True, {"content_type": ("icon",), "prompt": ("cat",)})
    mixed = replace(spoken, functions={**spoken.functions, "search": plain.functions["search"]})
    assert profile(row, mixed).arguments == "none"  # what the targets of such a pack may say of it
    assert profile(row, plain).arguments == "content_type+prompt"
    assert profile(query_of("cafe"), mixed).arguments == "city+place"


@pytest.fixture
def rows():
    generator = random.Random(11)
    places, cities = ("restaurant", "cafe"), ("Porto", "Kyoto", "Lisbon", "Osaka")
    made = []
    for number in range(200):
        place, city = generator.choice(places), generator.choice(cities)
        mark = ("", "", ".", "!", "?")[number % 5]
        made.append({"query": f"book a {place} in {city}{mark}", "function": "book_table",
                     "args": {"place": place, "city": city}})  # fmt: skip
    return made


def test_the_mark_at_the_end_is_an_axis_of_the_fit(spoken, rows, write_rows):
    fit = fit_population(read_queries(write_rows(rows)), spoken, {"heuristic": 1})
    (axis,) = [axis for axis in fit.axes if axis.axis == "punctuation"]
    assert {share.value: share.share for share in axis.shares} == pytest.approx({"final": 0.6, "none": 0.4})
    assert axis.given == ()
    silent = fit_population(
        read_queries(write_rows(rows)), spoken, {"heuristic": 1}, axes=set(AXES) - {"punctuation", "casing"}
    )
    assert not {"punctuation", "casing"} & {axis.axis for axis in silent.axes}
    assert "ending" in silent.summary
