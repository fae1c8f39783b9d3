"""Items of an import that are finished but not yet in ``content.jsonl``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from routenator.engine.domain.source_image import title_from_name

_JOURNAL = ".content.jsonl.importing"
_MAX_SHARED_TITLE = 5  # a title that more files share names their collection, not the picture


class ContentJournal:
    """A file that survives a kill, and forgives a half-written last line.

    Attributes:
        items: Item id → line of ``content.jsonl``, from this import and from one that was killed.
    """

    def __init__(self, root: Path, in_pack: Collection[str]) -> None:
        self._path = root / _JOURNAL
        self._content = root / "content.jsonl"
        self.items: dict[str, dict[str, Any]] = {}
        if self._path.exists():
            self.items = {item["id"]: item for item in _read_whole_lines(self._path) if item["id"] not in in_pack}
        self._file = self._path.open("wb", buffering=0)
        for item in self.items.values():
            self._write(item)

    def add(self, item: dict[str, Any]) -> None:
        """Write an item down at once."""
        self.items[item["id"]] = item
        self._write(item)

    def merge(self) -> None:
        """Append the items to ``content.jsonl``, in the order of their ids, in one step."""
        self._file.close()
        if self.items:
            old = self._content.read_bytes()
            lines = [orjson.dumps(item) for item in _name_plainly(self.items)]
            if old and not old.endswith(b"\n"):
                old += b"\n"
            partial = self._content.with_name(f"{_JOURNAL}.partial")
            with partial.open("wb") as file:
                file.write(old + b"\n".join(lines) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._content)
        self._path.unlink()

    def _write(self, item: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(item) + b"\n")


def _read_whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            continue


def _name_plainly(items: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items by id; a title that many share gives way to the file's name."""
    uses = Counter(item["title"] for item in items.values())
    for id_ in sorted(items):
        item = items[id_]
        if uses[item["title"]] > _MAX_SHARED_TITLE:
            item = {**item, "title": title_from_name(Path(id_).stem)}
        yield item
