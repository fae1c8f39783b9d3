"""A known population of queries, from which samples are drawn."""

from routenator.engine.population.declared import DeclaredFunction, DeclaredPack
from routenator.engine.validation.lexicon import REQUEST_VERBS, Lexicon

NAMES = [
    f"{a}{b}" for a in ("zor", "quel", "vim", "bax", "thul", "wen") for b in ("ima", "ondo", "erro", "ulte", "asky")
]
"""Made-up names: a word of them in an output can only come from a query."""

SHARES = {
    "play": {
        "function": 0.7,
        "arguments": {"artist+item": 0.5, "artist": 0.3, "item+year": 0.2},
        "item": {"song": 0.6, "album": 0.4},
        "question": 0.2,
    },
    "rate": {
        "function": 0.3,
        "arguments": {"score+title": 0.8, "title": 0.2},
        "item": {},
        "question": 0.0,
    },
}
"""A known population: function → shares."""


def declare(categories=("album", "song", "track")):
    keywords = {}
    for name in categories:
        for form in (name, f"{name}s"):
            keywords[(form,)] = frozenset({name})
    lexicon = Lexicon({"en": keywords}, {}, {}, REQUEST_VERBS | {"play", "rate"}, frozenset())
    functions = {
        "play": DeclaredFunction(frozenset({"artist", "item", "year"}), "item", True, frozenset(categories)),
        "rate": DeclaredFunction(frozenset({"title", "score"}), None, True, frozenset()),
    }
    return DeclaredPack(functions, frozenset(categories), lexicon, ("en",), frozenset())


def draw_row(generator):
    """One row of the known population, as a golden file holds it."""
    function = generator.choices(list(SHARES), [one["function"] for one in SHARES.values()])[0]
    shares = SHARES[function]
    names = generator.choices(list(shares["arguments"]), shares["arguments"].values())[0].split("+")
    values = {
        "artist": lambda: " ".join(generator.choices(NAMES, k=2)),
        "title": lambda: " ".join(generator.choices(NAMES, k=generator.randint(1, 3))),
        "item": lambda: generator.choices(list(shares["item"]), shares["item"].values())[0],
        "year": lambda: str(generator.randint(1950, 2020)),
        "score": lambda: str(generator.randint(0, 6)),
    }
    arguments = {name: values[name]() for name in names}
    words = " ".join(arguments.values())
    lead = "can you " if generator.random() < shares["question"] else ""
    query = f"{lead}{function} {words}"
    if generator.random() < 0.4:
        query = query[0].upper() + query[1:]
    return {"query": query, "function": function, "args": arguments, "lang": "en"}
