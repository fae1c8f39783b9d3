"""Cities, states, countries, landmarks and sights of nature."""

from __future__ import annotations

import math

from expanding import Inventor, load_yaml, read_rows
from graph import GraphBuilder

SPOKEN = {
    "United States": ("United States", ("USA", "US", "America", "the United States")),
    "United Kingdom": ("United Kingdom", ("UK", "the UK", "Great Britain")),
    "The Netherlands": ("Netherlands", ("the Netherlands", "Holland")),
    "Democratic Republic of the Congo": ("Democratic Republic of the Congo", ("DR Congo",)),
    "United Arab Emirates": ("United Arab Emirates", ("UAE",)),
    "Czechia": ("Czechia", ("Czech Republic",)),
    "Myanmar": ("Myanmar", ("Burma",)),
    "Ivory Coast": ("Ivory Coast", ("Côte d'Ivoire",)),
    "Eswatini": ("Eswatini", ("Swaziland",)),
}
"""GeoNames' name → label and aliases, where people say another."""
SITE_COUNTRIES = (
    "United States|United States|United States|Canada|Australia|United Kingdom|New Zealand|South Africa|Ireland|"
    "Germany|Norway|Sweden|France|Spain|Italy|India|Kenya|Brazil|Chile|Mexico|Japan|Poland|Finland|Argentina|Tanzania"
).split("|")
LANDMARKS, SITES = 650, 1500


def add_places(graph: GraphBuilder) -> None:
    """Add `Country`, `State`, `City`, `Landmark` and `Site`; every city has a state and a country."""
    countries: dict[str, str] = {}
    for row in read_rows("countries.csv"):
        label, aliases = SPOKEN.get(row["name"], (row["name"].strip(), ()))
        # People ask for small countries as often as for large ones: so say the shares of the population file.
        countries[row["name"]] = graph.add("Country", label, aliases=aliases)
    codes = {row["name"]: row["code"] for row in read_rows("states.csv")}
    for row in read_rows("cities.csv"):
        if int(row["population"]) == 0:
            continue
        american = row["country"] == "United States"
        alias = (codes[row["state"]],) if american else ()
        state = graph.add("State", row["state"], weight=60.0 if american else 0.15, aliases=alias)
        # A village is asked for less often than a capital, but there are many villages.
        weight = max(0.3, math.log10(int(row["population"])) - 3.0) * (4.0 if american else 1.0)
        city = graph.add("City", row["name"], weight=weight)
        graph.join(city, state, "lies_in_state")
        graph.join(city, countries[row["country"]], "lies_in_country")
        key = (state, countries[row["country"]], "state_of")
        if key not in graph.edges:
            graph.join(*key)
    _add_sights(graph, countries)


def _add_sights(graph: GraphBuilder, countries: dict[str, str]) -> None:
    inventor = Inventor("assistant pack, places")
    rng = inventor.rng
    cities, weights = graph.of("City"), [float(graph.rows[city]["weight"]) for city in graph.of("City")]
    real: dict[str, str] = load_yaml("vocabulary.yaml")["landmarks"]
    for name, city in real.items():
        graph.join(graph.add("Landmark", name), graph.ids["City"][city.casefold()], "stands_in")
    taken = {name.casefold() for name in real}
    for name in inventor.invent("landmark", LANDMARKS, taken):
        place = graph.add("Landmark", name[:1].lower() + name[1:] if name.startswith(("The ", "My ")) else name)
        for city in dict.fromkeys(rng.choices(cities, weights, k=2)):
            graph.join(place, city, "stands_in")
    seen: set[str] = set()
    for row in read_rows("sites.csv"):
        seen.add(row["name"].casefold())
        graph.join(graph.add("Site", row["name"]), countries[row["country"]], "in_country")
    for name in inventor.invent("site", SITES, seen):
        graph.join(graph.add("Site", name), countries[rng.choice(SITE_COUNTRIES)], "in_country")
