"""The knowledge graph's store: a Kuzu database, built once for each content of a pack.

A pack never supplies Cypher: ``read_only`` is no sandbox in Kuzu (``LOAD FROM`` reads any file). Statements are fixed,
values go in as parameters, and the only names that are put into a statement are types that match ``IDENTIFIER``.

Everything that knows of Kuzu is in this file, so that its maintained fork can take its place.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kuzu
import numpy as np
import pyarrow as pa

from routenator.engine.domain.pack import IDENTIFIER, DomainPack, EdgeType, GraphEdge, GraphNode
from routenator.engine.errors import DomainError, Fault, RunError
from routenator.engine.kg.adjacency import Adjacency
from routenator.engine.sample import Hop, NodeRef

_LAYOUT = 2  # of the tables below; a database of another layout is not used
_BUFFER_POOL_BYTES = 256 * 2**20
_MAX_DATABASE_BYTES = 2**34  # address space, not memory: Kuzu's own default reserves 8 TB
_THREADS = 2

_READ_NODES = """
MATCH (n)
RETURN n.position AS position, n.id AS id, label(n) AS type, n.label AS label,
       n.categories AS categories, n.functions AS functions, n.weight AS weight
"""
_READ_EDGES = """
MATCH (a)-[e]->(b)
RETURN e.position AS position, a.position AS source, b.position AS target, label(e) AS type, e.weight AS weight
"""
_FIND_HOP = """
MATCH (a {id: $source})-[e]->(b {id: $target})
WHERE label(e) = $type AND e.weight = $weight
RETURN count(*) AS hops
"""
_NAMES = pa.list_(pa.string())
_NODE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("position", pa.int64()),
        ("label", pa.string()),
        ("aliases", _NAMES),
        ("categories", _NAMES),
        ("functions", _NAMES),
        ("weight", pa.float64()),
    ]
)
_EDGE_SCHEMA = pa.schema(
    [("source", pa.string()), ("target", pa.string()), ("position", pa.int64()), ("weight", pa.float64())]
)


def build_graph(pack: DomainPack, cache_dir: Path) -> Path:
    """Build the pack's graph into a database, or find the one that was built before.

    The file's name carries the pack's digest and the file's own SHA-256, so a partial or damaged database is never
    opened: it is removed and built again. Several processes may build at once; each renames a complete file into place.

    Args:
        pack: A validated pack.
        cache_dir: Folder of databases; made if it is missing.

    Returns:
        Path of the database file.

    Raises:
        DomainError: Types whose names Kuzu cannot hold side by side, or that are no identifiers.
        RunError: The database cannot be written.
    """
    prefix = f"{pack.digest}-v{_LAYOUT}-"
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        for built in sorted(cache_dir.glob(f"{prefix}*.kuzu")):
            if built.name == _name_by_content(prefix, built):
                return built
            built.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".building-") as folder:
            draft = Path(folder) / "graph.kuzu"
            _write_database(pack, draft)
            return draft.replace(cache_dir / _name_by_content(prefix, draft))
    except OSError as exc:
        message = f"the knowledge graph's database cannot be written to {cache_dir}: {exc.strerror}"
        raise RunError(message, hint="Check the folder's permissions and the room on its disk.") from None


def load_adjacency(path: Path) -> Adjacency:
    """Read a whole graph; see `GraphStore.read_adjacency`."""
    with GraphStore(path) as store:
        return store.read_adjacency()


class GraphStore:
    """A graph's database, opened for reading. Several processes may read the same one.

    Not for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        """Open the database at ``path``.

        Raises:
            RunError: There is no database, or it is damaged.
        """
        try:
            if not path.is_file():
                raise RuntimeError("no such file")
            self._database = _open(path, read_only=True)
            self._connection = kuzu.Connection(self._database, num_threads=_THREADS)
        except RuntimeError as exc:
            message = f"the knowledge graph's database {path} cannot be opened: {exc}"
            raise RunError(message, hint="Remove the file; it is built again from the pack.") from None

    def __enter__(self) -> GraphStore:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the database."""
        self._connection.close()
        self._database.close()

    def read_adjacency(self) -> Adjacency:
        """Every node and edge, in the pack's order, whatever order Kuzu answers in."""
        nodes = _run(self._connection, _READ_NODES).get_as_arrow().sort_by("position")
        edges = _run(self._connection, _READ_EDGES).get_as_arrow().sort_by("position")
        fields = (nodes.column(name).to_pylist() for name in ("id", "type", "label"))
        return Adjacency(
            nodes=tuple(map(NodeRef, *fields)),
            categories=tuple(frozenset(names or ()) for names in nodes.column("categories").to_pylist()),
            functions=tuple(frozenset(names or ()) for names in nodes.column("functions").to_pylist()),
            node_weights=nodes.column("weight").to_numpy().astype(np.float64),
            sources=edges.column("source").to_numpy().astype(np.int64),
            targets=edges.column("target").to_numpy().astype(np.int64),
            weights=edges.column("weight").to_numpy().astype(np.float64),
            edge_types=tuple(edges.column("type").to_pylist()),
        )

    def has_hop(self, hop: Hop) -> bool:
        """Whether the graph has this edge, with this type and weight."""
        values = {"source": hop.source, "target": hop.target, "type": hop.type, "weight": hop.weight}
        found = _run(self._connection, _FIND_HOP, values).get_as_arrow()
        return bool(found.column("hops")[0].as_py())


def _name_by_content(prefix: str, path: Path) -> str:
    with path.open("rb") as file:
        return f"{prefix}{hashlib.file_digest(file, 'sha256').hexdigest()[:32]}.kuzu"


def _open(path: Path, *, read_only: bool) -> kuzu.Database:
    return kuzu.Database(
        path,
        read_only=read_only,
        buffer_pool_size=_BUFFER_POOL_BYTES,
        max_db_size=_MAX_DATABASE_BYTES,
        max_num_threads=_THREADS,
    )


def _run(connection: kuzu.Connection, statement: str, parameters: dict[str, Any] | None = None) -> kuzu.QueryResult:
    """Run one statement. Kuzu may crash on a parameter without a value, so they are compared first."""
    given = parameters or {}
    if set(re.findall(r"\$(\w+)", statement)) != given.keys():
        raise ValueError(f"parameters {sorted(given)} do not fit the statement {statement!r}")
    result = connection.execute(statement, given)
    assert isinstance(result, kuzu.QueryResult)  # a list only where there are several statements
    return result


@contextmanager
def _writing(path: Path) -> Iterator[kuzu.Connection]:
    database = _open(path, read_only=False)
    connection = kuzu.Connection(database, num_threads=_THREADS)
    try:
        yield connection
    finally:
        connection.close()
        database.close()  # writes the log into the one file that is renamed


def _write_database(pack: DomainPack, path: Path) -> None:
    node_types = dict.fromkeys((*pack.spec.node_types, *(node.type for node in pack.nodes)))
    edge_types = pack.spec.edge_types
    _check_names([*node_types, *(edge_type.name for edge_type in edge_types)], str(pack.root / "domain.yaml"))
    positions = {node.id: position for position, node in enumerate(pack.nodes)}
    try:
        with _writing(path) as connection:
            for name in node_types:
                _copy_nodes(connection, name, [node for node in pack.nodes if node.type == name], positions)
            for edge_type in edge_types:
                edges = [(i, edge) for i, edge in enumerate(pack.edges) if edge.type == edge_type.name]
                _copy_edges(connection, edge_type, edges)
    except RuntimeError as exc:
        raise RunError(f"the knowledge graph of pack {pack.spec.name} cannot be built: {exc}") from None


def _check_names(names: list[str], file: str) -> None:
    """Kuzu keeps node types and edge types in one catalogue and does not tell capitals from small letters."""
    faults = []
    seen: dict[str, str] = {}
    for name in names:
        if not re.fullmatch(IDENTIFIER.strip("^$"), name, re.ASCII):
            fix = "Use ASCII letters, digits and underscores, and start with a letter"
            faults.append(Fault(file, f"{name!r} cannot name a node type or an edge type", fix))
        elif name.lower() in seen:
            message = f"types {seen[name.lower()]!r} and {name!r} have the same name but for capitals"
            faults.append(Fault(file, message, "Rename one of them"))
        seen[name.lower()] = name
    if faults:
        raise DomainError(faults)


def _copy_nodes(connection: kuzu.Connection, name: str, nodes: list[GraphNode], positions: dict[str, int]) -> None:
    _run(
        connection,
        f"CREATE NODE TABLE `{name}`(id STRING PRIMARY KEY, position INT64, label STRING, aliases STRING[], "
        "categories STRING[], functions STRING[], weight DOUBLE)",
    )
    rows = [
        {
            "id": node.id,
            "position": positions[node.id],
            "label": node.label,
            "aliases": list(node.aliases),
            "categories": sorted(node.categories),
            "functions": sorted(node.functions),
            "weight": node.weight,
        }
        for node in nodes
    ]
    _run(connection, f"COPY `{name}` FROM $rows", {"rows": pa.Table.from_pylist(rows, schema=_NODE_SCHEMA)})


def _copy_edges(connection: kuzu.Connection, edge_type: EdgeType, edges: list[tuple[int, GraphEdge]]) -> None:
    _run(
        connection,
        f"CREATE REL TABLE `{edge_type.name}`(FROM `{edge_type.source}` TO `{edge_type.target}`, position INT64, "
        "weight DOUBLE)",
    )
    rows = [{"source": e.source, "target": e.target, "position": i, "weight": e.weight} for i, e in edges]
    _run(connection, f"COPY `{edge_type.name}` FROM $rows", {"rows": pa.Table.from_pylist(rows, schema=_EDGE_SCHEMA)})
