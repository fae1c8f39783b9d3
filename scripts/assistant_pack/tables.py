"""Restaurants, cuisines and dishes."""

from __future__ import annotations

import re

from expanding import HERE, Inventor, borrowed, load_yaml
from graph import GraphBuilder

RESTAURANTS = 1500
NAMES_A_TYPE = 40
USUAL_CUISINES = 12
DISHES_A_REGION = 3
_NO_DISH = re.compile(
    r"\b(powder|oils?|flour|seeds?|essence|extract|sugar|yeast|gelatine|water|soda|syrup|stock|vinegar|starch|agar|gum|"
    r"colou?ring|spray|jewfish|salt|fat|lard|leaves|pasta sauce|concentrate)\b",
    re.IGNORECASE,
)
"""Ingredients that nobody orders."""


def add_tables(graph: GraphBuilder) -> None:
    """Add `Cuisine`, `Dish` and `RestaurantName`; a name serves one or two cuisines and is of some types."""
    inventor = Inventor("assistant pack, tables")
    rng = inventor.rng
    vocabulary = load_yaml("vocabulary.yaml")
    for place, (cuisine, dishes) in enumerate(vocabulary["cuisines"].items()):
        cuisine_id = graph.add("Cuisine", cuisine.lower(), weight=2.0 if place < USUAL_CUISINES else 1.0)
        for dish in dishes:
            graph.join(cuisine_id, graph.add("Dish", dish, weight=2.0), "serves")
    known = set(graph.ids["Cuisine"])
    borrowed_dishes = (HERE / "sources" / "dishes.txt").read_text("utf-8").splitlines()
    eaten = [name for name in borrowed("dish", "ingredient") if not _NO_DISH.search(name)]
    dishes = [graph.add("Dish", name.lower(), weight=0.6) for name in (*borrowed_dishes, *eaten)]
    for name in (*vocabulary["regions"], *borrowed("cuisine")):
        if name.lower() in known or not name.replace(" ", "").isalpha():
            continue
        cuisine_id = graph.add("Cuisine", name.lower())
        # Which dish of a region is a regional one is not known: its edges say what may be asked for together.
        for dish in rng.sample(dishes, DISHES_A_REGION):
            graph.join(cuisine_id, dish, "serves")
    cuisines = graph.of("Cuisine")
    names = [graph.add("RestaurantName", name) for name in inventor.invent("restaurant", RESTAURANTS, set())]
    for name in names:
        for cuisine in dict.fromkeys(rng.choices(cuisines, k=rng.choice((1, 1, 2)))):
            graph.join(name, cuisine, "cooks")
    for kind in graph.of("RestaurantType"):
        for name in rng.sample(names, NAMES_A_TYPE):
            graph.join(kind, name, "named")
