"""Artists, tracks, albums, playlists and genres."""

from __future__ import annotations

from expanding import HERE, Inventor, borrowed, load_yaml, plain_letters
from graph import GraphBuilder

ARTISTS = {"band": 700, "stage": 400, "full": 3000}
TRACKS, ALBUMS, PLAYLISTS, WORKS = 2200, 1400, 2600, {"song": 1700, "album": 900}


def add_music(graph: GraphBuilder) -> None:
    """Add all music.

    The edges say what may be asked for together; beside real musicians stand invented titles too.
    """
    inventor = Inventor("assistant pack, music")
    rng = inventor.rng
    real = load_yaml("works.yaml")
    musicians = (HERE / "sources" / "musicians.txt").read_text("utf-8").splitlines()
    known = [*real["musicians"], *(name.removeprefix("Dame ").removeprefix("Sir ") for name in musicians)]
    known += borrowed("artist")
    taken = {name.casefold() for name in known}
    invented = [name for form, count in ARTISTS.items() for name in inventor.invent(form, count, taken)]
    artists = [
        graph.add("Artist", plain_letters(name), weight=0.2 if name.startswith("The ") else 1.0)
        for name in (*known, *invented)
    ]
    artists = list(dict.fromkeys(artists))

    genres = (HERE / "sources" / "genres.txt").read_text("utf-8").splitlines()
    usual = {name.casefold() for name in inventor.words_of("genreish")}
    for name in (*sorted(usual), *genres):
        graph.add("Genre", name, weight=3.0 if name.casefold() in usual else 0.15)
    genre_ids = graph.of("Genre")
    genre_weights = [float(graph.rows[genre]["weight"]) for genre in genre_ids]
    for artist in artists:
        for genre in dict.fromkeys(rng.choices(genre_ids, genre_weights, k=2)):
            graph.join(artist, genre, "plays")

    songs = [*real["music"], *borrowed("song")]
    seen = {title.casefold() for title in songs}
    tracks = [*songs, *inventor.invent("song", TRACKS, seen)]
    albums = [*borrowed("album"), *inventor.invent("album", ALBUMS, set())]
    works = [*songs, *borrowed("album"), *inventor.invent("song", WORKS["song"], seen)]
    works += inventor.invent("album", WORKS["album"], {album.casefold() for album in albums})
    for kind, edge, titles in (("Track", "sings", tracks), ("Album", "released", albums), ("MusicWork", "made", works)):
        ids = list(dict.fromkeys(graph.add(kind, title) for title in titles))
        rng.shuffle(ids)
        # Every title has an artist, and every artist at least one title of each kind.
        for place in range(max(len(ids), len(artists))):
            graph.join(artists[place % len(artists)], ids[place % len(ids)], edge)

    for name in inventor.invent("playlist", PLAYLISTS, set()):
        graph.add("Playlist", name)
