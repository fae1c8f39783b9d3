"""Import a folder of images into a pack: one content item and one image for each file that is sound."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from routenator.engine.domain.content_journal import ContentJournal
from routenator.engine.domain.loading import load_pack
from routenator.engine.domain.pack import DomainPack
from routenator.engine.domain.sidecar import SIDECAR_NAMES, SidecarEntry, read_sidecar
from routenator.engine.domain.source_image import (
    SOURCE_SUFFIXES,
    ImageFacts,
    ImageTask,
    clean_keywords,
    clean_title,
    import_image,
    title_from_name,
)
from routenator.engine.domain.starter_pack import create_starter_pack
from routenator.engine.domain.worker_pool import run_in_workers
from routenator.engine.errors import DomainError, Fault, RunError

ERRORS_FILE = "import-errors.jsonl"
FILE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """So far: files seen of ``total``, items added, files that were skipped for a fault."""

    done: int
    total: int
    added: int
    failed: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        pack: The pack's folder.
        files: Image files found; symbolic links are not followed and not counted.
        added: New content items.
        known: Files whose item the pack had already.
        errors: ``(file, reason)`` of each file that was skipped.
        interrupted: Whether the user stopped it; run it again to go on.
    """

    pack: Path
    files: int
    added: int
    known: int
    errors: tuple[tuple[str, str], ...]
    interrupted: bool


@dataclass(frozen=True, slots=True)
class _Job:
    """One source file and the item that it will be."""

    name: str
    id: str
    image: str
    entry: SidecarEntry
    task: ImageTask


def import_images(
    source: Path,
    out: Path,
    *,
    category: str = "image",
    metadata: Path | None = None,
    max_side: int = 512,
    on_progress: Callable[[ImportProgress], None] = lambda _: None,
) -> ImportReport:
    """Import every SVG, PNG, JPEG and WebP file below ``source`` into the pack ``out``.

    Every finished file is written to a journal at once; ``content.jsonl`` is replaced in one step at the end, also
    after an interrupt. An import that was killed goes on from its journal.

    Args:
        source: The folder of images.
        out: A pack; where there is none, a starter pack is made.
        category: Category of the items where the sidecar names none.
        metadata: Sidecar file; ``None`` looks for ``metadata.csv`` or ``metadata.jsonl`` in ``source``.
        max_side: Longest side in pixels of a rendered SVG.
        on_progress: Called after each file.

    Raises:
        DomainError: The folder, the pack, the category or the sidecar is at fault.
        RunError: The pack cannot be written.
    """
    if not source.is_dir():
        raise DomainError([Fault(str(source), "no such folder", "Give a folder of images")])
    entries = _load_entries(source, metadata)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        create_starter_pack(out, with_content=False)
    pack = load_pack(out.resolve())
    _check_categories(pack, category, entries, metadata or source)

    in_pack = {item.id for item in pack.content}
    journal = ContentJournal(pack.root, in_pack)
    known = in_pack | journal.items.keys()
    files = list(_list_sources(source))
    names = {path.relative_to(source).as_posix() for path in files}
    errors = [(name, "named in the sidecar, but there is no such file") for name in entries if name not in names]
    jobs = [job for job in (_plan(source, path, entries, pack.root, max_side) for path in files) if job.id not in known]
    _require_renderer(jobs)
    added = 0
    interrupted = False
    try:
        try:
            for progress in _run_jobs(jobs, journal, category, errors):
                added = progress.added
                on_progress(progress)
        except KeyboardInterrupt:
            interrupted = True
        journal.merge()
        _write_errors(pack.root, errors)
    except OSError as exc:
        hint = "What was done is kept: mend that, and run the same command again"
        raise RunError(f"{pack.root}: cannot be written: {exc.strerror}", hint=hint) from None
    return ImportReport(pack.root, len(files), added, len(files) - len(jobs), tuple(sorted(errors)), interrupted)


def _run_jobs(
    jobs: list[_Job], journal: ContentJournal, category: str, errors: list[tuple[str, str]]
) -> Iterator[ImportProgress]:
    by_task = {job.task: job for job in jobs}
    added = 0
    outcomes = run_in_workers(import_image, by_task, workers=os.cpu_count() or 1, timeout_s=FILE_TIMEOUT_S)
    with closing(outcomes):
        for done, outcome in enumerate(outcomes, start=1):
            job = by_task[outcome.task]
            if outcome.result is None:
                errors.append((job.name, outcome.error or "unknown"))
            else:
                journal.add(_make_item(job, outcome.result, category))
                added += 1
            yield ImportProgress(done, len(jobs), added, len(errors))


def _load_entries(source: Path, metadata: Path | None) -> dict[str, SidecarEntry]:
    if metadata is not None:
        return read_sidecar(metadata)
    for name in SIDECAR_NAMES:
        if (source / name).is_file():
            return read_sidecar(source / name)
    return {}


def _check_categories(pack: DomainPack, category: str, entries: dict[str, SidecarEntry], sidecar: Path) -> None:
    fix = f"Use one of {', '.join(pack.spec.categories)}, or add it to domain.yaml and functions.json"
    faults = []
    if category not in pack.spec.categories:
        faults.append(Fault("--type", f"{category!r} is not a category of the pack", fix))
    for name, entry in entries.items():
        if entry.type and entry.type not in pack.spec.categories:
            faults.append(
                Fault(str(sidecar), f"{name}: {entry.type!r} is not a category of the pack", fix, field="type")
            )
    if faults:
        raise DomainError(faults)


def _require_renderer(jobs: list[_Job]) -> None:
    svg = next((job.name for job in jobs if job.task.source.suffix.lower() == ".svg"), None)
    if svg is not None and importlib.util.find_spec("resvg_py") is None:
        message = "SVG files need a renderer that is not installed"
        raise DomainError([Fault(svg, message, "Install it: pip install 'routenator[svg]'")])


def _list_sources(source: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(source):
        subfolders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix.lower() in SOURCE_SUFFIXES and not path.is_symlink():
                yield path


def _plan(source: Path, path: Path, entries: dict[str, SidecarEntry], root: Path, max_side: int) -> _Job:
    name = path.relative_to(source).as_posix()
    id_ = _make_id(f"{source.resolve().name}/{name}")
    is_bitmap = path.suffix.lower() != ".svg"
    image = f"images/{id_}" if is_bitmap else f"images/{id_}.png"
    destination = root / image
    return _Job(name, id_, image, entries.get(name, SidecarEntry()), ImageTask(path, destination, max_side))


def _make_id(name: str) -> str:
    """The name itself where it may stand as an id and as a path, else a shortened one with a hash of the whole."""
    plain = re.sub(r"[^A-Za-z0-9_./-]|(?<=/)[.-]|^[^A-Za-z0-9_]|\.(?=\.)", "_", name)
    if plain == name and len(plain) <= 100:
        return plain
    path = PurePosixPath(plain)
    stem, suffix = str(path.with_suffix("")), path.suffix
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{stem[:80].rstrip('/')}-{digest}{suffix}"


def _make_item(job: _Job, facts: ImageFacts, category: str) -> dict[str, Any]:
    title = clean_title(job.entry.title) or facts.title or title_from_name(Path(job.name).stem)
    return {
        "id": job.id,
        "title": title,
        "keywords": list(clean_keywords(job.entry.keywords) or facts.keywords),
        "type": job.entry.type or category,
        "image": job.image,
    }


def _write_errors(root: Path, errors: list[tuple[str, str]]) -> None:
    path = root / ERRORS_FILE
    if not errors:
        path.unlink(missing_ok=True)
        return
    lines = [
        orjson.dumps({"file": file.encode("utf-8", "replace").decode(), "reason": reason})
        for file, reason in sorted(errors)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
