"""A run's directory: made once, locked by one process at a time, continued only with the same identity."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from routenator.engine.display import show_line
from routenator.engine.errors import RunError
from routenator.engine.ledger.layout import Layout
from routenator.engine.ledger.schema import (
    DATABASE_NAME,
    SCHEMA_VERSION,
    check_owner,
    check_version,
    connect_reader,
    connect_writer,
    create_tables,
    database_path,
    read_meta,
    readable_errors,
    write_meta,
)
from routenator.engine.ledger.trace_codec import dump_json, load_json
from routenator.engine.lock_file import is_alive, read_holder, try_lock

LOCK_NAME = "run.lock"
ORPHANS_WAIT_S = 5.0
"""Longest wait in seconds for the workers of a killed run to end: they hold its lock as long as one lives."""
_LOOKERS_WAIT_S = 0.25  # `running_pid` holds the lock for an instant to look at it
_LOCK_PAUSE_S = 0.05
_ABSENT = object()


class RunDirectory:
    """An open run: this process holds its lock until `close`.

    Attributes:
        path: The directory.
        created: Whether this call made the run; ``False``: it continues one.
        layout: How its slots are dealt to its ledgers.
        lock_descriptor: The locked file. A worker process that inherits it (``pass_fds``) keeps the run locked for as
            long as it lives, should this process be killed: the lock belongs to the open file, not to a process.
            -1 when closed.
    """

    def __init__(self, path: Path, lock_descriptor: int, created: bool, layout: Layout) -> None:
        self.path = path
        self.created = created
        self.layout = layout
        self.lock_descriptor = lock_descriptor

    @classmethod
    def create_or_open(
        cls,
        path: Path,
        *,
        identity: Mapping[str, Any],
        planned_rows: int,
        may_change: Collection[str] = (),
        ledgers: int = 1,
    ) -> Self:
        """Start a run at ``path``, or continue the one that is there.

        Args:
            path: Created with its parents if it is not there.
            identity: What makes it this run: the resolved recipe, the endpoints without secrets, the pack's digest.
                JSON-able; kept under ``identity``.
            planned_rows: Slots of the plan.
            may_change: Dotted keys of ``identity`` that may differ when a run is continued, with ``*`` as in a shell:
                ``endpoints.*.max_in_flight``.
            ledgers: Databases of a new run, one for each worker that may write at the same time; a run that is
                continued keeps its own number.

        Raises:
            RunError: Another process runs it, or ``identity`` has changed (the message lists each change).
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = take_lock(path)
        except OSError as exc:
            raise RunError(f"{path}: {exc.strerror}", hint="Choose a directory that can be written") from None
        try:
            birth = _birth_certificate(identity, planned_rows, Layout.for_run(planned_rows, ledgers))
            with readable_errors(path):
                created = _create_or_check(path, load_json(dump_json(birth)), may_change)
            return cls(path, lock, created, _check_ledgers(path))
        except BaseException:
            os.close(lock)
            raise

    def discard(self) -> None:
        """Remove the databases of a run that this call made and that holds nothing: its start failed.

        Otherwise the settings that it failed with would be the run's, and could not be mended.
        """
        assert self.created
        for ledger in reversed(range(self.layout.ledgers)):
            _remove_unused(database_path(self.path, ledger))

    def close(self) -> None:
        """Give the lock back."""
        if self.lock_descriptor >= 0:
            os.close(self.lock_descriptor)
            self.lock_descriptor = -1

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
        return read_holder(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def take_lock(path: Path) -> int:
    """Descriptor of the locked file; the kernel frees the lock when the last process that holds it ends."""
    try:
        descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise RunError(f"{path}: {exc.strerror}", hint="Choose a directory that can be written") from None
    began = time.monotonic()
    while True:
        if try_lock(descriptor):
            return descriptor
        pid = read_holder(descriptor)
        has_orphans = pid is not None and not is_alive(pid)
        if time.monotonic() - began < (ORPHANS_WAIT_S if has_orphans else _LOOKERS_WAIT_S):
            time.sleep(_LOCK_PAUSE_S)
            continue
        os.close(descriptor)
        if has_orphans:
            raise RunError(
                f"{path} is in use: process {pid} has ended, but its workers are still ending",
                hint="Try again in a few seconds, or give another directory",
            )
        raise RunError(
            f"{path} is in use by process {pid or 'unknown'}",
            hint="Wait for it or stop it, or give another directory",
        )


def _create_or_check(path: Path, birth: Mapping[str, Any], may_change: Collection[str]) -> bool:
    with closing(connect_writer(path)) as connection:
        # A process that is killed here leaves either no table or all of them with their identity, and the other
        # ledgers are there by then.
        connection.execute("BEGIN IMMEDIATE")
        (user_version,) = connection.execute("PRAGMA user_version").fetchone()
        created = bool(user_version == 0)
        if created:
            create_tables(connection)
        else:
            check_version(connection, path)
            stored, identity = read_meta(connection), birth["identity"]
            if changes := diff_identities(stored["identity"], identity, may_change):
                # One that was killed before it had its plan has begun nothing, and must not hold on to its settings.
                has_samples = connection.execute("SELECT 1 FROM sample LIMIT 1").fetchone() is not None
                created = stored.keys() <= birth.keys() and not has_samples
                if not created:
                    raise RunError(
                        f"{path} was started with other settings:\n" + "\n".join(f"  {change}" for change in changes),
                        hint="Put them back to continue this run, or give another directory to start a new one",
                    )
            elif stored["identity"] != identity:
                write_meta(connection, {"identity": identity})
        if created:
            _create_other_ledgers(path, birth["layout"]["ledgers"], birth["run_id"])
            write_meta(connection, birth)
        connection.execute("COMMIT")
    return created


def _create_other_ledgers(path: Path, ledgers: int, run_id: str) -> None:
    """Make ledgers 1, 2, … anew: what an earlier start left there before it was killed holds no sample."""
    for stale in path.glob("run-*.db"):
        _remove_unused(stale)
    for ledger in range(1, ledgers):
        with readable_errors(path, ledger), closing(connect_writer(path, ledger)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            create_tables(connection)
            write_meta(connection, {"run_id": run_id, "ledger": ledger})
            connection.execute("COMMIT")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # their names are on the disk before the run is
    finally:
        os.close(descriptor)


def _remove_unused(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sample'").fetchone()
        if has_table and connection.execute("SELECT 1 FROM sample LIMIT 1").fetchone():
            raise RunError(
                f"{database} holds samples of a run whose {DATABASE_NAME} is gone",
                hint=f"Put {DATABASE_NAME} back, or give another directory to start a new run",
            )
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _check_ledgers(path: Path) -> Layout:
    """The run's layout, when all its ledgers are there and are its own."""
    with closing(connect_reader(path)) as connection, readable_errors(path):
        meta = read_meta(connection)
    layout = Layout(**meta["layout"])
    for ledger in range(1, layout.ledgers):
        with closing(connect_reader(path, ledger)) as connection, readable_errors(path, ledger):
            check_owner(connection, path, ledger, meta["run_id"])
    return layout


def _birth_certificate(identity: Mapping[str, Any], planned_rows: int, layout: Layout) -> dict[str, Any]:
    try:
        package_version = version("routenator")
    except PackageNotFoundError:
        package_version = "unknown"
    return {
        "run_id": uuid.uuid4().hex,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "package_version": package_version,
        "schema_version": SCHEMA_VERSION,
        "identity": identity,
        "planned_rows": planned_rows,
        "layout": layout,
    }


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
