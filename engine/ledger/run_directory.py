"""A run's directory: made once, locked by one process at a time, continued only with the same identity."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import uuid
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from routenator.engine.display import show_line
from routenator.engine.errors import RunError
from routenator.engine.ledger.schema import (
    SCHEMA_VERSION,
    check_version,
    connect_writer,
    create_tables,
    database_path,
    readable_errors,
)
from routenator.engine.ledger.trace_codec import dump_json, load_json

LOCK_NAME = "run.lock"
_LOCK_TRIES = 5
_LOCK_PAUSE_S = 0.05  # `running_pid` holds the lock for an instant to look at it
_ABSENT = object()


class RunDirectory:
    """An open run: this process holds its lock until `close`.

    Attributes:
        path: The directory.
        created: Whether this call made the run; ``False``: it continues one.
    """

    def __init__(self, path: Path, lock_descriptor: int, created: bool) -> None:
        self.path = path
        self.created = created
        self._lock = lock_descriptor

    @classmethod
    def create_or_open(
        cls,
        path: Path,
        *,
        identity: Mapping[str, Any],
        planned_rows: int,
        details: Mapping[str, Any] | None = None,
        may_change: Collection[str] = (),
    ) -> Self:
        """Start a run at ``path``, or continue the one that is there.

        Args:
            path: Created with its parents if it is not there.
            identity: What makes it this run: the resolved recipe, the endpoints without secrets, the pack's digest.
                JSON-able; kept under ``identity``.
            planned_rows: Slots of the plan.
            details: More to keep beside it at creation, each key one entry of ``meta``, such as the resolved plan.
            may_change: Dotted keys of ``identity`` that may differ when a run is continued, with ``*`` as in a shell:
                ``endpoints.*.max_in_flight``.

        Raises:
            RunError: Another process runs it, or ``identity`` has changed (the message lists each change).
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = _take_lock(path)
        except OSError as exc:
            raise RunError(f"{path}: {exc.strerror}", hint="Choose a directory that can be written") from None
        try:
            with readable_errors(path):
                created = _create_or_check(
                    path, load_json(dump_json(identity)), planned_rows, details or {}, may_change
                )
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, created)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Lock a run that exists, whatever its identity: to finalize it, for instance.

        Raises:
            RunError: There is no run, another version wrote it, or another process runs it.
        """
        if not database_path(path).is_file():
            raise RunError(f"no run at {path}", hint="Check the path of the run, or start it with `generate`")
        lock = _take_lock(path)
        try:
            with readable_errors(path):
                connection = connect_writer(path)
                try:
                    check_version(connection, path)
                finally:
                    connection.close()
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, created=False)

    def close(self) -> None:
        """Give the lock back."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def running_pid(path: Path) -> int | None:
    """Process that runs the run at ``path``, or ``None`` when nobody does."""
    try:
        descriptor = os.open(path / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _read_pid(descriptor: int) -> int | None:
    content = os.pread(descriptor, 32, 0).strip()
    return int(content) if content.isdigit() else None


def _take_lock(path: Path) -> int:
    """Descriptor of the locked file; the kernel frees the lock when the process ends, however it ends."""
    descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor
    pid = _read_pid(descriptor)
    os.close(descriptor)
    raise RunError(
        f"{path} is in use by process {pid or 'unknown'}",
        hint="Wait for it or stop it, or give another directory",
    )


def _create_or_check(
    path: Path, identity: Any, planned_rows: int, details: Mapping[str, Any], may_change: Collection[str]
) -> bool:
    connection = connect_writer(path)
    try:
        # A process that is killed here leaves either no table or all of them with their identity.
        connection.execute("BEGIN IMMEDIATE")
        (user_version,) = connection.execute("PRAGMA user_version").fetchone()
        if user_version == 0:
            create_tables(connection)
            _write_meta(connection, _birth_certificate() | {"identity": identity, "planned_rows": planned_rows})
            _write_meta(connection, details)
        else:
            check_version(connection, path)
            stored = load_json(connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()[0])
            if changes := diff_identities(stored, identity, may_change):
                raise RunError(
                    f"{path} was started with other settings:\n" + "\n".join(f"  {change}" for change in changes),
                    hint="Put them back to continue this run, or give another directory to start a new one",
                )
            if stored != identity:
                _write_meta(connection, {"identity": identity})
        connection.execute("COMMIT")
    finally:
        connection.close()
    return bool(user_version == 0)


def _birth_certificate() -> dict[str, Any]:
    try:
        package_version = version("routenator")
    except PackageNotFoundError:
        package_version = "unknown"
    return {
        "run_id": uuid.uuid4().hex,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "package_version": package_version,
        "schema_version": SCHEMA_VERSION,
    }


def _write_meta(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    connection.executemany(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [(key, dump_json(value).decode()) for key, value in values.items()],
    )


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        flat: dict[str, Any] = {}
        for key, item in value.items():
            flat |= _flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: value}


def diff_identities(old: Any, new: Any, may_change: Collection[str]) -> list[str]:
    """One line for each dotted key that differs and must not: ``key: old → new``."""
    before, after = _flatten(old), _flatten(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        was, is_now = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if was != is_now and not any(fnmatchcase(key, pattern) for pattern in may_change):
            lines.append(f"{show_line(key)}: {_word(was)} → {_word(is_now)}")
    return lines


def _word(value: Any) -> str:
    if value is _ABSENT:
        return "(not set)"
    return show_line(dump_json(value).decode("utf-8", "replace"), 80)
