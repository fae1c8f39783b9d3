"""Titles, artists, cuisines, ingredients, common words: what `extract.py` takes of faker-js, ruby-faker, WordNet."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from unwelcome import RUDE, UNWELCOME

RUBY_FAKER = Path("/usr/share/rubygems-integration/all/gems/faker-2.21.0/lib/locales/en")
SENSE_COUNTS = Path("/usr/share/wordnet/cntlist.rev")
DUMP = """
import { allLocales } from "@faker-js/faker";
const kept = {};
for (const [locale, data] of Object.entries(allLocales)) {
  kept[locale] = { music: data.music, book: data.book, food: data.food };
}
console.log(JSON.stringify(kept));
"""
LATIN = ("en", "pl", "pt_BR")
FAKER_JS = {"song": "music.song_name", "album": "music.album", "artist": "music.artist", "book": "book.title"}
FAKER_JS |= {"cuisine": "food.ethnic_category", "ingredient": "food.ingredient", "dish": "food.dish"}
RUBY = {
    "song": "phish.songs umphreys_mcgee.song pearl_jam.songs rock_band.song prince.song bossa_nova.songs "
    "grateful_dead.songs games.touhou.songs",
    "album": "music.albums prince.album rush.albums phish.albums pearl_jam.albums",
    "artist": "music.bands rock_band.name kpop.i_groups kpop.ii_groups kpop.iii_groups kpop.girl_groups kpop.boy_bands "
    "kpop.solo music.hiphop.artist music.hiphop.groups bossa_nova.artists",
    "book": "book.title dc_comics.title",
    "movie": "movie.title studio_ghibli.movies",
    "musical": "show.adult_musical show.kids_musical show.play",
    "game": "game.title games.sonic_the_hedgehog.game games.touhou.games games.super_mario.games",
    "episode": "simpsons.episode_titles",
    "opera": "opera",
}
"""Kind → places in ruby-faker's locale `en`; a place stands for every list below it."""
TITLE = re.compile(r"^[\w][\w '’&,.:!?/-]*[\w.!?']$")
LEXICAL_FILES = {
    "noun": (1, "04 05 06 07 08 10 11 12 13 14 15 17 18 19 20 21 22 25 28".split(), 2),
    "adj": (3, ["00"], 3),
}
"""Part of speech → WordNet's number for it, its lexicographer files, and how often a word was tagged at least."""


def borrowed_titles() -> Iterator[tuple[str, str]]:
    """(kind, title) of both packages, sorted, each once."""
    found: dict[str, set[str]] = defaultdict(set)
    command = ["node", "--input-type=module", "-e", DUMP]
    dumped = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)  # noqa: S603
    for locale in LATIN:
        for kind, place in FAKER_JS.items():
            found[kind].update(_below((dumped[locale] or {}), place.split(".")))
    merged: dict[str, Any] = {}
    heads = {place.split(".")[0] for places in RUBY.values() for place in places.split()}
    for file in sorted(RUBY_FAKER.glob("*.yml")):
        text = file.read_text("utf-8")
        # Other files are no YAML by the letter: tabs in lists.
        if any(re.search(rf"^    {head}:", text, re.MULTILINE) for head in heads):
            _merge(merged, yaml.safe_load(text)["en"]["faker"])
    for kind, places in RUBY.items():
        for place in places.split():
            found[kind].update(_below(merged, place.split(".")))
    for kind, titles in sorted(found.items()):
        usable = {" ".join(title.replace("’", "'").split()) for title in titles}
        for title in sorted(usable):
            if TITLE.match(title) and len(title) <= 60 and any(map(str.isalpha, title)) and not RUDE.search(title):
                yield kind, title


def common_words() -> Iterator[tuple[str, str]]:
    """(part of speech, word) of WordNet's tagged words: single, lower case, met a few times."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in LEXICAL_FILES}
    # The counts are of words in small letters; data.noun has the capitals of names.
    plain = set()
    for line in (SENSE_COUNTS.parent / "data.noun").read_text("utf-8").splitlines():
        if not line.startswith("  "):
            fields = line.split()
            plain |= set(fields[4 : 4 + 2 * int(fields[3], 16) : 2])
    plain |= {line.split()[0] for line in (SENSE_COUNTS.parent / "index.adj").read_text("utf-8").splitlines()}
    for line in SENSE_COUNTS.read_text("utf-8").splitlines():
        key, _, count = line.split()
        word, _, sense = key.partition("%")
        number, file = sense.split(":")[:2]
        for name, (part, files, _least) in LEXICAL_FILES.items():
            if int(number) in ((3, 5) if part == 3 else (part,)) and file in files:
                counts[name][word] += int(count)
    for name, (_part, _files, least) in LEXICAL_FILES.items():
        for word, count in sorted(counts[name].items()):
            if (
                count >= least
                and re.match(r"^[a-z]{3,12}$", word)
                and word in plain
                and not (UNWELCOME.match(word) or RUDE.search(word))
            ):
                yield name, word


def _below(data: Any, place: list[str]) -> Iterator[str]:
    """Every text in the lists below a place."""
    if place:
        data = (data or {}).get(place[0])
        if data is None:
            return
        yield from _below(data, place[1:])
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _below(value, [])
    elif isinstance(data, list):
        yield from (str(text) for text in data if isinstance(text, (str, int)))


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value
