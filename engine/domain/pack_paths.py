"""Paths of a pack: where it stands, what may be named inside it, and the digest of all of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import routenator
from routenator.engine.errors import DomainError, Fault

SHIPPED_PACKS = Path(routenator.__file__).parent / "domains"

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_PERCENT_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def resolve_pack(pack: Path | str, base: Path | None = None) -> Path:
    """Folder of a pack: a shipped pack's bare name, or a path relative to ``base`` (default: the working directory).

    Raises:
        DomainError: No such folder.
    """
    name = os.fspath(pack)
    shipped = SHIPPED_PACKS / name
    if re.fullmatch(r"\w[\w-]*", name) and (shipped / "domain.yaml").is_file():
        return shipped.resolve()
    folder = (base or Path()) / name
    if not folder.is_dir():
        known = ", ".join(shipped_pack_names()) or "none"
        fix = f"Give the path of a pack folder, or the name of a shipped pack ({known})"
        raise DomainError([Fault(str(folder), "no such pack folder", fix)])
    return folder


def shipped_pack_names() -> list[str]:
    """Names of the packs that come with the package, sorted."""
    return sorted(path.parent.name for path in SHIPPED_PACKS.glob("*/domain.yaml"))


def check_pack_path(root: Path, path: str) -> Path:
    """Absolute path of a file that a pack names.

    Args:
        root: The pack's folder.
        path: What stands in the pack: a relative path in POSIX form.

    Raises:
        ValueError: The path is not plain, or it leaves the pack, also by a symbolic link. The words say which.
    """
    if not path:
        raise ValueError("the path is empty")
    if _CONTROL.search(path):
        raise ValueError("the path holds a control character")
    if "\\" in path:
        raise ValueError("the path holds a backslash; paths are written with /")
    if _SCHEME.match(path):
        raise ValueError("a URL or a drive stands where a path inside the pack belongs")
    if _PERCENT_ESCAPE.search(path):
        raise ValueError("the path holds a percent escape; write the characters themselves")
    if path.startswith("/"):
        raise ValueError("the path is absolute")
    if ".." in path.split("/"):
        raise ValueError("the path leaves the pack by ..")
    real_root = root.resolve()
    try:
        real = (real_root / path).resolve()
    except (OSError, RuntimeError):  # a loop of links
        raise ValueError("the path cannot be resolved") from None
    if not real.is_relative_to(real_root):
        raise ValueError("the path leaves the pack by a symbolic link")
    return real


def list_pack_files(root: Path) -> Iterator[Path]:
    """Every file of the pack in a stable order; hidden files and Python's caches are no part of it."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name != "__pycache__")
        links = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        for name in sorted([*names, *links]):
            if not name.startswith("."):
                yield Path(folder) / name


def find_escaping_links(root: Path) -> list[Fault]:
    """A fault for each symbolic link of the pack that leads out of it."""
    real_root = root.resolve()
    return [
        Fault(str(path), "a symbolic link leaves the pack", "Put the file itself into the pack")
        for path in list_pack_files(root)
        if path.is_symlink() and not path.resolve().is_relative_to(real_root)
    ]


def digest_pack(root: Path) -> str:
    """SHA-256 (hex) over the relative paths and bytes of all files, sorted by path."""
    total = hashlib.sha256()
    for path in sorted(list_pack_files(root)):
        name = path.relative_to(root).as_posix().encode("utf-8", "surrogateescape")
        if path.is_dir():
            content = hashlib.sha256(os.fsencode(path.readlink())).digest()
        else:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").digest()
        total.update(len(name).to_bytes(4, "big") + name + content)
    return total.hexdigest()
