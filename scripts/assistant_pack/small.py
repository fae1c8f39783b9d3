"""Small vocabularies: kinds of things, relations, services, times, numbers, ratings."""

from __future__ import annotations

import random

from expanding import Inventor, Names, load_yaml
from graph import GraphBuilder
from times import invent_times

KINDS: tuple[str, ...] = (
    "MusicItem",
    "MusicKind",
    "RestaurantType",
    "BookType",
    "WorkType",
    "MovieType",
    "ScreeningType",
)
KINDS += ("LocationType", "Temperature", "Condition")
WORDS = "zero one two three four five six seven eight nine ten".split()
DECADES = "twenties thirties forties fifties sixties seventies eighties nineties".split()
RELATIVES = (
    "mom dad mother father sister brother wife husband boyfriend girlfriend fiance grandma grandpa boss aunt uncle"
)
RELATIVES += " roommate cousin daughter son partner team kids parents colleagues friends coworkers neighbor in-laws"


def read_term(term: str) -> tuple[str, float]:
    """``"movie *8"`` → label and weight."""
    label, _, weight = term.partition(" *")
    return label.strip(), float(weight or 1)


def add_small(graph: GraphBuilder) -> None:
    """Add everything that `vocabulary.yaml` lists or that counts."""
    vocabulary = load_yaml("vocabulary.yaml")
    for kind in KINDS:
        for category, terms in vocabulary[kind].items():
            for label, weight in map(read_term, terms):
                graph.add(kind, label, weight=weight, category=category)
    for kind, terms in vocabulary["values"].items():
        for label, weight in map(read_term, terms):
            graph.add(kind, label, weight=weight)
    # "The nearest cinema", but "films in the neighbourhood": so in all of the population file.
    for kind in graph.of("LocationType"):
        for relation, weight in (("nearest", 10), ("closest", 8), ("local", 0.3)):
            graph.join(kind, graph.add("ScreeningRelation", relation), "is_found", weight)
    rng = random.Random("assistant pack, small")
    for phrase, weight in invent_times(1800, rng).items():
        graph.add("TimeRange", phrase, weight=weight)
    _add_years(graph)
    _add_ratings(graph)
    _add_parties(graph, rng)


def _add_years(graph: GraphBuilder) -> None:
    for year in range(1921, 2026):
        graph.add("Year", str(year), weight=1.0 if year >= 1950 else 0.5)
    for i, name in enumerate(DECADES):
        start = 1920 + 10 * i
        graph.add("Year", name, weight=4.0 if start >= 1950 else 1.5)
        for label in (f"{start}s", f"{start % 100}s", f"'{start % 100}s", f"{start}'s"):
            graph.add("Year", label, weight=0.8 if start >= 1950 else 0.3)
    for label in ("2000s", "2010s", "twenty tens", "nineteen eighty four", "two thousand and nine", "early 2000s"):
        graph.add("Year", label, weight=0.5)


def _add_ratings(graph: GraphBuilder) -> None:
    scales = {"6": 60, "5": 4, "six": 2, "10": 1.5, "five": 0.7, "ten": 0.5, "100": 0.3, "4": 0.2, "7": 0.2, "8": 0.1}
    scales |= {"20": 0.1, "four": 0.1}
    numbers = {word: float(i) for i, word in enumerate(WORDS)}
    best = {label: graph.add("BestRating", label, weight=weight) for label, weight in scales.items()}
    values = {word: (4.5 if i <= 5 else 0.3) for i, word in enumerate(WORDS)}
    values |= {str(i): (4.0 if i <= 5 else 0.4) for i in range(11)}
    values |= dict.fromkeys(("3.5", "4.5", "2.5", "1.5", "8.5", "three and a half", "12", "50", "75", "99"), 0.15)
    for label, weight in values.items():
        value = numbers.get(label, 3.5 if label == "three and a half" else -1.0)
        value = float(label) if value < 0 else value
        rating = graph.add("RatingValue", label, weight=weight)
        for scale, scale_id in best.items():
            if value <= numbers.get(scale, -1.0) or (scale.isdigit() and value <= float(scale)):
                graph.join(rating, scale_id, "out_of", scales[scale])


def _add_parties(graph: GraphBuilder, rng: random.Random) -> None:
    words = [*WORDS[1:], "eleven", "twelve"]
    for i in range(1, 31):
        weight = 5.0 if 2 <= i <= 10 else 2.0 if i == 1 else 0.5
        graph.add("PartySize", str(i), weight=weight)
        if i <= len(words):
            graph.add("PartySize", words[i - 1], weight=weight)
    for label in ("fifteen", "twenty", "a dozen", "40", "50", "thirteen", "fourteen", "sixteen", "eighteen"):
        graph.add("PartySize", label, weight=0.3)
    inventor = Inventor("assistant pack, names")
    names: Names = inventor.names
    owners: set[str] = set()
    while len(owners) < 700:
        name = names.draw("first", rng)
        owners.add(f"{name}'" if name.endswith("s") and rng.random() < 0.4 else f"{name}'s")
    for owner in sorted(owners):
        graph.add("PlaylistOwner", owner, weight=0.05)
    relatives = RELATIVES.split()
    for relative in relatives:
        graph.add("PlaylistOwner", f"my {relative}'{'' if relative.endswith('s') else 's'}", weight=0.05)
    for _ in range(900):
        one, two, three = (names.draw("first", rng) for _ in range(3))
        kin, other = rng.sample(relatives, 2)
        forms = (
            f"me and {one}",
            f"{one} and me",
            f"{one} and I",
            f"me, {one} and {two}",
            f"{one}, {two} and me",
            f"{one}, {two}, and I",
            f"{one} and {two}",
            f"{one}, {two} and {three}",
            f"my {kin} and I",
            f"my {kin} and me",
            f"me and my {kin}",
            f"my {kin} and {one}",
            f"me, my {kin} and my {other}",
            f"{one} and my {kin}",
            "me",
            "my whole family",
            f"{one}'s {kin} and me",
            f"the {names.draw('last', rng)}s",
            f"myself and {one}",
            f"my {kin}",
        )
        weights = (4, 2, 4, 2, 1.5, 1.5, 1.5, 2, 4, 2, 3, 2, 1, 1, 0.1, 0.1, 0.3, 0.3, 0.5, 1.5)
        graph.add("PartyDescription", rng.choices(forms, weights)[0])
