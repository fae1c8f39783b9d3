"""Load a domain pack: read every file, find every fault, hand over a pack that cannot surprise the run."""

from __future__ import annotations

from pathlib import Path

from routenator.engine.domain.content_file import read_content
from routenator.engine.domain.coverage import check_cells, check_names, fit_with_faults, reachable_cells
from routenator.engine.domain.functions_file import read_functions
from routenator.engine.domain.graph_files import read_edges, read_nodes
from routenator.engine.domain.pack import DomainPack, DomainSpec
from routenator.engine.domain.pack_paths import digest_pack, find_escaping_links, resolve_pack
from routenator.engine.domain.spec_file import check_spec
from routenator.engine.errors import DomainError, Fault
from routenator.engine.routing.targets import Targets
from routenator.engine.yaml_source import Model, YamlSource, load_yaml, validate_yaml


def load_pack(pack: Path | str) -> DomainPack:
    """Read and validate a pack.

    Args:
        pack: A shipped pack's bare name, such as ``design``, or the path of a pack folder.

    Raises:
        DomainError: With every fault of every file.
    """
    root = resolve_pack(pack)
    faults = find_escaping_links(root)
    spec_source, spec = _read_yaml(root / "domain.yaml", DomainSpec, faults)
    spec_faults = check_spec(spec_source, spec) if spec_source is not None and spec is not None else []
    faults.extend(spec_faults)
    before_functions = len(faults)
    functions = read_functions(root / "functions.json", spec, faults)
    names = {function.name: None for function in functions} if len(faults) == before_functions else None
    before_graph = len(faults)
    nodes = read_nodes(root / "graph" / "nodes.csv", spec, names, faults)
    by_id = {node.id: node for node in nodes}
    edges = read_edges(root / "graph" / "edges.csv", spec.edge_types if spec else None, by_id, faults)
    graph_is_sound = len(faults) == before_graph
    content = read_content(root / "content.jsonl", root, spec, faults)
    targets_source, targets = _read_yaml(root / "targets.yaml", Targets, faults)
    if spec is not None and targets_source is not None and targets is not None:
        unknown = check_names(targets_source, targets, spec, names)
        faults.extend(unknown)
        tables = fit_with_faults(targets_source, targets, faults)
        # What a faulty domain.yaml says of arguments and walks would only bring faults of its own.
        if tables is not None and names is not None and graph_is_sound and not unknown and not spec_faults:
            reached = reachable_cells(spec, names, nodes, edges)
            faults.extend(check_cells(targets_source, tables, spec, functions, reached))
    if faults or spec is None or targets is None:
        raise DomainError(faults)
    return DomainPack(root.resolve(), spec, functions, nodes, edges, content, targets, digest_pack(root))


def _read_yaml(path: Path, model: type[Model], faults: list[Fault]) -> tuple[YamlSource | None, Model | None]:
    try:
        source = load_yaml(path, DomainError)
        return source, validate_yaml(model, source, DomainError)
    except DomainError as exc:
        faults.extend(exc.faults)
        return None, None
