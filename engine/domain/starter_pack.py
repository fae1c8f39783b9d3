"""A new pack that validates as it stands, to be edited from there."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from routenator.engine.errors import DomainError, Fault

_STARTER = Path(__file__).parent / "starter"


def create_starter_pack(folder: Path, *, with_content: bool = True) -> None:
    """Write the starter pack to ``folder``; it appears whole or not at all.

    Args:
        folder: Must not exist, or be an empty folder.
        with_content: Whether its example content items are kept.

    Raises:
        DomainError: The folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fix = "Name a folder that does not exist yet"
        raise DomainError([Fault(str(folder), "the folder is not empty", fix)])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as staging:
            pack = Path(staging) / "pack"
            shutil.copytree(_STARTER, pack)
            (pack / "images").mkdir()
            spec = pack / "domain.yaml"
            text = spec.read_text(encoding="utf-8")
            spec.write_text(text.replace("name: starter", f"name: {_identifier(folder)}", 1), encoding="utf-8")
            if not with_content:
                (pack / "content.jsonl").write_text("", encoding="utf-8")
            pack.replace(folder)
    except OSError as exc:
        message = f"cannot be written: {exc.strerror}"
        raise DomainError([Fault(str(folder), message, "Check its place and permissions")]) from None


def _identifier(folder: Path) -> str:
    name = re.sub(r"\W", "_", folder.resolve().name, flags=re.ASCII)[:60]
    return name if re.match(r"[A-Za-z_]", name) else f"pack_{name}"
