"""How fast walks are on a graph of 10,000 nodes and 100,000 edges in Kuzu.

Run: .venv/bin/python benchmarks/walks.py [--walks 100000]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from routenator.engine.config import Strict
from routenator.engine.domain.pack import (
    Argument,
    Category,
    DomainPack,
    DomainSpec,
    EdgeType,
    GraphEdge,
    GraphNode,
)
from routenator.engine.kg.store import build_graph, load_adjacency
from routenator.engine.kg.walker import Walker
from routenator.engine.routing.targets import Targets

SIZES = {"UserIntent": 1_000, "DesignType": 1_500, "SceneObject": 7_000, "Action": 500}
EDGES = 100_000
CATEGORIES = [f"category{i}" for i in range(15)]
FUNCTIONS = ["search", "generate"]


def make_pack(seed: int = 0) -> DomainPack:
    """A random pack of the sizes above; a quarter of the nodes is bound to some of the categories."""
    rng = random.Random(seed)
    types = list(SIZES)
    names = ["NEEDS", "SHOWS", "INVITES"]
    spec = DomainSpec(
        name="benchmark",
        version="1",
        description="Random graph.",
        license="none",
        languages=("en",),
        arguments={
            name: {"content_type": Argument(kind="category"), "prompt": Argument(kind="text")}
            for name in ("search", "generate")
        },
        walk=tuple(types),
        edge_types=tuple(
            EdgeType(name=name, source=a, target=b) for name, a, b in zip(names, types, types[1:], strict=False)
        ),
        categories={name: Category(description=name, keywords={"en": (name,)}) for name in CATEGORIES},
    )
    nodes = [
        GraphNode(
            f"{name}{i}",
            name,
            f"{name} {i}",
            (f"alias {i}",),
            frozenset(rng.sample(CATEGORIES, 4) if rng.random() < 0.25 else ()),
            frozenset([rng.choice(FUNCTIONS)] if name == "Action" else ()),
        )
        for name, size in SIZES.items()
        for i in range(size)
    ]
    pairs = set()
    while len(pairs) < EDGES:
        step = rng.randrange(3)
        source, target = types[step], types[step + 1]
        pairs.add((names[step], f"{source}{rng.randrange(SIZES[source])}", f"{target}{rng.randrange(SIZES[target])}"))
    edges = [GraphEdge(a, b, name, rng.uniform(0.1, 5)) for name, a, b in sorted(pairs)]
    targets = Targets.model_construct(tables=())
    return DomainPack(Path("benchmark"), spec, (), tuple(nodes), tuple(edges), (), targets, f"{seed:064x}")


class Result(Strict):
    """What was measured; times are CPU times of one process."""

    nodes: int
    edges: int
    build_s: float
    load_s: float
    first_walk_ms: float
    walk_us: float
    walks_per_s: float
    peak_memory_mb: float


def measure(walks: int) -> Result:
    """Build, load and walk; strata are drawn at random, as a run meets them."""
    pack = make_pack()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        path = build_graph(pack, Path(folder))
        built = time.process_time()
        adjacency = load_adjacency(path)
        walker = Walker(adjacency, pack.spec.walk)
    loaded = time.process_time()
    walker.walk("search", "category0", 0)
    first = time.process_time()
    rng = random.Random(1)
    strata = [(rng.choice(FUNCTIONS), rng.choice(CATEGORIES)) for _ in range(walks)]
    for function in FUNCTIONS:
        for category in CATEGORIES:
            walker.walk(function, category, 0)
    begun = time.process_time()
    for seed, (function, category) in enumerate(strata):
        walker.walk(function, category, seed)
    took_s = time.process_time() - begun
    return Result(
        nodes=len(pack.nodes),
        edges=len(pack.edges),
        build_s=round(built - started, 3),
        load_s=round(loaded - built, 3),
        first_walk_ms=round((first - loaded) * 1e3, 3),
        walk_us=round(took_s / walks * 1e6, 2),
        walks_per_s=round(walks / took_s),
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walks", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().walks).model_dump(), indent=2))
