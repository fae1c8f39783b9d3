"""Checks what the `assistant` pack has to keep; prints every fault and leaves with 1 if there is one.

python scripts/assistant_pack/check.py
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from unwelcome import RUDE

from routenator.engine.domain.loading import load_pack
from routenator.engine.errors import DomainError, PromptError
from routenator.engine.prompting.alternative import Weighted
from routenator.engine.prompting.frames import Frames
from routenator.engine.prompting.grammar import Grammar, load_grammar
from routenator.engine.routing.targets import PHRASINGS
from routenator.engine.validation.features import classify_phrasing
from routenator.engine.validation.lexicon import Lexicon

PACK = Path(__file__).parents[2] / "domains" / "assistant"
MIN_EXAMPLES = 25
MIN_NODES = {
    "Artist": 1000, "Track": 1500, "Album": 1000, "MusicWork": 1500, "Playlist": 1000, "WorkTitle": 2000,
    "BookTitle": 1000, "MovieTitle": 1000, "Cinema": 300, "RestaurantName": 1000, "City": 2000, "State": 300,
    "Country": 150, "Landmark": 300, "Site": 500, "TimeRange": 800, "PartyDescription": 300, "Dish": 400,
}  # fmt: skip
MAX_UNSAYABLE = 0.05
"""Share of the targets' argument sets that a phrasing's frames may fail to say with some values."""
DRAWS = 4


@dataclass(frozen=True)
class Pack:
    """The pack's files as read."""

    folder: Path
    spec: dict[str, Any]
    functions: dict[str, dict[str, Any]]
    nodes: list[dict[str, str]]
    edges: list[dict[str, str]]
    examples: list[dict[str, Any]]
    grammars: dict[str, list[Grammar]]
    grammar_faults: list[str]
    targets: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Pack:
        """Read a pack's folder."""
        functions = json.loads((folder / "functions.json").read_text("utf-8"))
        spec = yaml.safe_load((folder / "domain.yaml").read_text("utf-8"))
        arguments = {function: frozenset(names) for function, names in spec["arguments"].items()}
        grammars: dict[str, list[Grammar]] = defaultdict(list)
        faults: list[str] = []
        for path in sorted((folder / "prompts" / "heuristic").glob("*.yaml")):
            try:
                grammar = load_grammar(path, path.stem, frozenset(), arguments)
            except PromptError as exc:
                faults += map(str, exc.faults)
                continue
            for function in grammar.meta.functions:
                grammars[function].append(grammar)
        lines = (folder / "prompts" / "examples.jsonl").read_text("utf-8").splitlines()
        return cls(
            folder,
            spec,
            {tool["function"]["name"]: tool["function"]["parameters"] for tool in functions},
            _read_csv(folder / "graph" / "nodes.csv"),
            _read_csv(folder / "graph" / "edges.csv"),
            [json.loads(line) for line in lines],
            dict(grammars),
            faults,
            yaml.safe_load((folder / "targets.yaml").read_text("utf-8")),
        )

    @property
    def arguments(self) -> dict[str, dict[str, dict[str, str]]]:
        """Function → argument → kind and node type."""
        declared: dict[str, dict[str, dict[str, str]]] = self.spec["arguments"]
        return declared


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check_functions(pack: Pack) -> list[str]:
    """Declared arguments are those of the functions, and have nodes."""
    types = {node["type"] for node in pack.nodes}
    faults = [f"{f}: not in functions.json" for f in pack.arguments if f not in pack.functions]
    for function, parameters in pack.functions.items():
        declared, offered = set(pack.arguments.get(function, ())), set(parameters["properties"])
        faults += [f"{function}.{name}: not declared and offered alike" for name in sorted(declared ^ offered)]
        faults += [
            f"{function}.{name}: no node of type {argument['node']}"
            for name, argument in pack.arguments.get(function, {}).items()
            if argument["node"] not in types
        ]
    used = {argument["node"] for arguments in pack.arguments.values() for argument in arguments.values()}
    return faults + [f"node type {kind}: no argument names it" for kind in sorted(types - used)]


def check_graph(pack: Pack) -> list[str]:
    """Ids and labels are unique, edges fit their types, and a draw never stops where an edge is needed."""
    by_id = {node["id"]: node for node in pack.nodes}
    faults = [f"node {key} twice" for key, count in Counter(n["id"] for n in pack.nodes).items() if count > 1]
    labels = Counter((n["type"], name.casefold()) for n in pack.nodes for name in _names(n))
    faults += [f"label {label} twice" for label, count in labels.items() if count > 1]
    faults += [f"{n['id']}: label {n['label']!r}" for n in pack.nodes if n["label"] != " ".join(n["label"].split())]
    faults += [f"{n['id']}: {n['label']!r} is rude" for n in pack.nodes if RUDE.search(n["label"])]
    faults += [f"{n['id']}: weight" for n in pack.nodes if not float(n["weight"]) > 0]
    categories = {c: {w.casefold() for w in entry["keywords"]["en"]} for c, entry in pack.spec["categories"].items()}
    for node in pack.nodes:
        if (category := node["categories"]) and node["label"].casefold() not in categories.get(category, ()):
            faults.append(f"{node['id']}: {node['label']!r} is no keyword of category {category!r}")
    words = Counter(word for keywords in categories.values() for word in keywords)
    faults += [f"keyword {word!r} in several categories" for word, count in words.items() if count > 1]
    types = {edge["name"]: edge for edge in pack.spec["edge_types"]}
    sources, targets = defaultdict(set), defaultdict(set)
    for edge in pack.edges:
        kind = types[edge["type"]]
        ends = (by_id.get(edge["source"]), by_id.get(edge["target"]))
        if ends[0] is None or ends[1] is None or (ends[0]["type"], ends[1]["type"]) != (kind["source"], kind["target"]):
            faults.append(f"edge {edge} does not join {kind['source']} to {kind['target']}")
        sources[edge["type"]].add(edge["source"])
        targets[edge["type"]].add(edge["target"])
    return faults + _check_dead_ends(pack, sources, targets)


def _check_dead_ends(pack: Pack, sources: dict[str, set[str]], targets: dict[str, set[str]]) -> list[str]:
    """The later of two arguments is drawn among the neighbours of the earlier: each of those needs one."""
    optional = {("serves", "target"), ("titled", "target"), ("named", "target")}
    faults = []
    for edge in pack.spec["edge_types"]:
        for end, kind, joined in (("source", edge["source"], sources), ("target", edge["target"], targets)):
            alone = {n["id"] for n in pack.nodes if n["type"] == kind} - joined[edge["name"]]
            other = edge["target"] if end == "source" else edge["source"]
            if alone and (edge["name"], end) not in optional and _comes_first(pack, kind, other):
                faults.append(f"{len(alone)} {kind} without an edge {edge['name']}, such as {sorted(alone)[0]}")
    return faults


def _comes_first(pack: Pack, kind: str, other: str) -> bool:
    for arguments in pack.arguments.values():
        order = [argument["node"] for argument in arguments.values()]
        if kind in order and other in order and order.index(kind) < order.index(other):
            return True
    return False


def check_examples(pack: Pack) -> list[str]:
    """Every value of an example stands in its query, and every function has enough of them."""
    faults = []
    for number, example in enumerate(pack.examples, start=1):
        known = pack.arguments[example["function"]]
        for name, value in example["arguments"].items():
            if name not in known:
                faults.append(f"example {number}: {example['function']} has no argument {name}")
            if not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", example["query"]):
                faults.append(f"example {number}: {value!r} does not stand in {example['query']!r}")
        first = next(name for name, argument in known.items() if argument["kind"] == "category")
        if (example["category"] == "none") == (first in example["arguments"]):
            faults.append(f"example {number}: category {example['category']!r} against {first}")
        if example["category"] not in ("none", *pack.spec["categories"]):
            faults.append(f"example {number}: no category {example['category']!r}")
        missing = set(pack.functions[example["function"]].get("required", ())) - set(example["arguments"])
        faults += [f"example {number}: {name} is required" for name in sorted(missing)]
    queries = Counter(example["query"].casefold() for example in pack.examples)
    faults += [f"example {query!r} twice" for query, count in queries.items() if count > 1]
    counts = Counter(example["function"] for example in pack.examples)
    return faults + [f"{f}: {counts[f]} examples" for f in pack.functions if counts[f] < MIN_EXAMPLES]


def check_frames(pack: Pack) -> list[str]:
    """Grammars are sound, every rule of them is used, and they say the argument sets of the targets."""
    faults = list(pack.grammar_faults)
    rng = random.Random("assistant pack, check")
    nodes = defaultdict(list)
    for node in pack.nodes:
        nodes[node["type"]].append(node)
    sets = _argument_sets(pack)
    for function, arguments in pack.arguments.items():
        grammars = pack.grammars.get(function, [])
        for grammar in grammars:
            rules = grammar.meta.alternatives()
            used = {name for options in rules.values() for option in options for name in option.symbols()}
            idle = set(rules) - used - {*PHRASINGS, "query"}
            faults += [f"{grammar.name}: no text uses rule {name}" for name in sorted(idle)]
        for phrasing in PHRASINGS:
            failed = [0.0, 0.0]
            for present, share in sets.get(function, {}).items():
                for _ in range(DRAWS):
                    names = [] if present == "none" else present.split("+")
                    values = {name: _draw(nodes[arguments[name]["node"]], rng) for name in names}
                    said = any(grammar.say(phrasing, values, 0, bool)[0] for grammar in grammars)
                    failed[said] += share
            if failed[0] > MAX_UNSAYABLE * sum(failed):
                faults.append(f"{function}, {phrasing}: {failed[0] / sum(failed):.1%} of the targets cannot be said")
    return faults


def _argument_sets(pack: Pack) -> dict[str, dict[str, float]]:
    """Function → arguments that are present together → their share in the targets."""
    joint = next(table for table in pack.targets["tables"] if "arguments" in table["axes"])
    shares: dict[str, dict[str, float]] = next(m for m in joint["marginals"] if m["axes"] == ["arguments"])["shares"]
    return shares


def check_openings(pack: Pack) -> list[str]:
    """What a phrasing begins with measures as that phrasing at least once: else it is drawn for nothing.

    Each start text is tried alone, with each alternative of its first rule where that holds words only and serves no
    other phrasing.
    """
    try:
        lexicon = Lexicon.from_pack(load_pack(pack.folder))
    except DomainError as exc:
        return list(map(str, exc.faults))
    rng = random.Random("assistant pack, openings")
    nodes = defaultdict(list)
    for node in pack.nodes:
        nodes[node["type"]].append(node)
    faults = []
    for function, arguments in pack.arguments.items():
        sets = [present.split("+") for present in _argument_sets(pack)[function] if present != "none"]
        draws = [
            {name: _draw(nodes[arguments[name]["node"]], rng) for name in names} for names in sets for _ in range(2)
        ]
        draws += [{name: _draw(nodes[argument["node"]], rng)} for name, argument in arguments.items()] * 4
        for grammar in pack.grammars.get(function, []):
            rules = grammar.meta.alternatives()
            users = Counter(n for name, options in rules.items() for n in {m for o in options for m in o.symbols()})
            passed: dict[str, bool] = {}
            starts = [(phrasing, start) for phrasing in PHRASINGS for start in rules.get(phrasing, ())]
            for phrasing, start in starts:
                first = start.symbols()[0] if start.text.startswith("{") else ""
                words_only = users[first] == 1 and not any(option.symbols() for option in rules[first])
                for opening in rules[first] if words_only else [start]:
                    alone = {**rules, phrasing: [start]} | ({first: [opening]} if words_only else {})
                    passes = _is_ever(phrasing, alone, grammar.argument_names, draws, lexicon, rng)
                    for text in {f"{phrasing}: {start.text!r}", f"{phrasing}: {opening.text!r}"}:
                        passed[text] = passed.get(text, False) or passes
            faults += [f"{grammar.name}, {text} never measures as one" for text, passes in passed.items() if not passes]
    return faults


def _is_ever(
    phrasing: str,
    rules: dict[str, list[Weighted]],
    arguments: frozenset[str],
    draws: list[dict[str, str]],
    lexicon: Lexicon,
    rng: random.Random,
) -> bool:
    frames = Frames(rules, arguments)
    for values in draws:
        drawn = frames.prepare(phrasing, values)
        if drawn is not None and classify_phrasing(drawn.say(rng), lexicon) == phrasing:
            return True
    return False


def _draw(nodes: list[dict[str, str]], rng: random.Random) -> str:
    node = rng.choices(nodes, [float(n["weight"]) for n in nodes])[0]
    return rng.choice(_names(node))


def _names(node: dict[str, str]) -> list[str]:
    return [node["label"], *(alias for alias in node["aliases"].split("|") if alias)]


def check_sizes(pack: Pack) -> list[str]:
    """Every type has the nodes that breadth needs."""
    counts = Counter(node["type"] for node in pack.nodes)
    return [
        f"{kind}: {counts[kind]} nodes, wanted {least}" for kind, least in MIN_NODES.items() if counts[kind] < least
    ]


def find_faults(folder: Path) -> list[str]:
    """Every fault of the pack in a folder."""
    pack = Pack.load(folder)
    checks = (check_functions, check_graph, check_examples, check_frames, check_openings, check_sizes)
    return [fault for check in checks for fault in check(pack)]


def main() -> None:
    """Print the faults."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pack", type=Path, default=PACK, help="folder that is checked (default: the shipped pack)")
    faults = find_faults(parser.parse_args().pack)
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.stdout.write(f"{len(faults)} faults\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
