"""Titles of creative works, books to rate, and films on show."""

from __future__ import annotations

from expanding import Inventor, borrowed, load_yaml
from graph import GraphBuilder
from small import read_term

MEDIA = {
    "book": "book novel magazine poem comic",
    "song": "song track soundtrack opera musical",
    "album": "album record soundtrack podcast",
    "movie": "movie film trailer soundtrack documentary cartoon",
    "show": "tv_show tv_series television_show program saga cartoon podcast",
    "game": "game saga",
    "painting": "painting picture photograph artwork sculpture",
}
PLAYS = "play musical opera"
COUNTS = {"book": 700, "song": 500, "album": 450, "movie": 650, "show": 550, "game": 450, "painting": 450}
TITLES_A_KIND = 300
"""Titles that a word for a kind of work is joined to, at most."""
RATED_BOOKS, SHOWN_MOVIES, CINEMAS = 1700, 1700, 450


def add_works(graph: GraphBuilder) -> None:
    """Add `WorkTitle`, `BookTitle`, `MovieTitle` and `Cinema`."""
    inventor = Inventor("assistant pack, works")
    rng = inventor.rng
    real = load_yaml("works.yaml")
    movies = [*real["movies"], *borrowed("movie", "episode")]
    known = {
        "book": [*real["books"], *borrowed("book")],
        "song": [*real["music"], *borrowed("song")],
        "album": borrowed("album"),
        "movie": movies,
        "show": borrowed("episode"),
        "game": borrowed("game"),
        "painting": real["paintings"],
    }
    taken: set[str] = set()
    kinds: dict[str, list[str]] = {}
    for row in list(graph.rows.values()):
        if row["type"] == "WorkType":
            kinds.setdefault(row["categories"], []).append(row["id"])
    media = {form: [*known.get(form, ()), *inventor.invent(form, count, taken)] for form, count in COUNTS.items()}
    media["play"] = [*real["plays"], *borrowed("musical", "opera"), *inventor.invent("movie", 60, taken)]
    ids = {form: [graph.add("WorkTitle", title) for title in titles] for form, titles in media.items()}
    everything = [title for titles in ids.values() for title in titles]
    for category, words in kinds.items():
        forms = [form for form, names in (*MEDIA.items(), ("play", PLAYS)) if category in names.split()]
        pool = list(dict.fromkeys(title for form in forms for title in ids[form])) or everything
        for word in words:
            for title in rng.sample(pool, min(TITLES_A_KIND, len(pool))):
                graph.join(word, title, "titled")

    rated: set[str] = set()
    for title in (*known["book"], *real["plays"], *borrowed("musical"), *inventor.invent("book", RATED_BOOKS, rated)):
        graph.add("BookTitle", title)
    shown: set[str] = set()
    for title in (*movies, *borrowed("musical"), *inventor.invent("movie", SHOWN_MOVIES, shown)):
        graph.add("MovieTitle", title)
    for name, weight in map(read_term, load_yaml("vocabulary.yaml")["cinemas"]):
        graph.add("Cinema", name, weight=3 * weight)
    for name in inventor.invent("cinema", CINEMAS, set()):
        graph.add("Cinema", name, weight=0.5)
