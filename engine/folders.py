"""Folders that a command writes into: its own, or none yet."""

from __future__ import annotations

from pathlib import Path

from routenator.engine.errors import Fault, InputError


def refuse_foreign(folder: Path, mark: str, what: str) -> None:
    """Refuse a folder that holds files, but not the one by which it is known as ours, and a file in its place.

    Args:
        folder: Where the command wants to write; need not be there.
        mark: Name of a file that every such folder has.
        what: What it holds then, such as "a training".

    Raises:
        InputError: It is somebody else's.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError([Fault(str(there), "is a file, not a folder", "Give another --out")])
    if there == folder and any(folder.iterdir()) and not (folder / mark).exists():
        raise InputError([Fault(str(folder), f"holds something else than {what}", "Give another --out")])
