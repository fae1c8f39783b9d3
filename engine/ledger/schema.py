"""Tables of ``run.db``, and how a connection to it is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from routenator.engine.errors import RunError

SCHEMA_VERSION = 1
DATABASE_NAME = "run.db"

STRATUM_COLUMNS = ("route", "function", "category", "language", "length", "phrasing", "keyword_position")
SAMPLE_COLUMNS = (
    "slot",
    "round",
    "verdict",
    *STRATUM_COLUMNS,
    "template",
    "query",
    "arguments",
    "grounding",
    "error_class",
    "error",
    "reasons",
    "attempts",
    "prompt_tokens",
    "completion_tokens",
    "judge_prompt_tokens",
    "judge_completion_tokens",
    "endpoint",
    "model",
    "started_at",
    "committed_at",
    "duration_ms",
    "node_ms",
    "duplicate_of",
)
JSON_COLUMNS = ("arguments", "grounding", "reasons", "node_ms")
"""Columns that hold JSON text.

``reasons`` lists ``source:code`` of every finding of every attempt, and ``error:class`` of attempts that ended in an
error; ``node_ms`` maps a node to the milliseconds that the sample spent in it.
"""

# A lone surrogate is not UTF-8, so text with one is stored as a blob: the text columns take both.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sample (
    slot INTEGER NOT NULL,
    round INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'failed')),
    route TEXT NOT NULL,
    function TEXT NOT NULL,
    category TEXT NOT NULL,
    language TEXT NOT NULL,
    length TEXT NOT NULL,
    phrasing TEXT NOT NULL,
    keyword_position TEXT NOT NULL,
    template TEXT,
    query TEXT,
    arguments TEXT,
    grounding TEXT,
    error_class TEXT,
    error TEXT,
    reasons TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    judge_prompt_tokens INTEGER NOT NULL,
    judge_completion_tokens INTEGER NOT NULL,
    endpoint TEXT,
    model TEXT,
    started_at TEXT NOT NULL,
    committed_at REAL NOT NULL,
    duration_ms REAL NOT NULL,
    node_ms TEXT NOT NULL,
    duplicate_of TEXT,
    PRIMARY KEY (slot, round)
);
CREATE INDEX sample_state ON sample (slot, round, verdict);
CREATE INDEX sample_verdict ON sample (verdict, slot, round);
CREATE INDEX sample_route ON sample (route, verdict, slot, round);
CREATE INDEX sample_function ON sample (function, verdict, slot, round);
CREATE INDEX sample_category ON sample (category, verdict, slot, round);
CREATE INDEX sample_error ON sample (error_class, slot, round) WHERE error_class IS NOT NULL;
CREATE TABLE trace (
    slot INTEGER NOT NULL,
    round INTEGER NOT NULL,
    dictionary INTEGER REFERENCES dictionary (id),
    blob BLOB NOT NULL,
    PRIMARY KEY (slot, round)
);
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE text (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
"""

_BUSY_TIMEOUT_S = 30.0
_MAX_IDLE_WAL_BYTES = 16 * 1024 * 1024


def database_path(run_directory: Path) -> Path:
    """Where the database of a run lies."""
    return run_directory / DATABASE_NAME


@contextmanager
def readable_errors(run_directory: Path) -> Iterator[None]:
    """Turn SQLite's errors into a `RunError` that says which run and what to do."""
    try:
        yield
    except sqlite3.Error as exc:
        hint = "Check that the disk has room and can be written"
        if isinstance(exc, sqlite3.DatabaseError) and not isinstance(exc, sqlite3.OperationalError):
            hint = "The file is damaged; restore it from a copy, or start a new run in another directory"
        raise RunError(f"{database_path(run_directory)}: {exc}", hint=hint) from exc


def connect_writer(run_directory: Path) -> sqlite3.Connection:
    """The one connection that may write; transactions are begun by hand.

    Every commit is on the disk when it returns: WAL with ``synchronous=FULL`` (https://sqlite.org/wal.html).
    """
    connection = sqlite3.connect(database_path(run_directory), timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # The WAL of a run with a slow reader grows until that reader is done; this gives the room back afterwards.
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_IDLE_WAL_BYTES}")
    return connection


def connect_reader(run_directory: Path) -> sqlite3.Connection:
    """A read-only connection; usable while a run writes.

    Raises:
        RunError: There is no run, or it was written by another version.
    """
    path = database_path(run_directory)
    if not path.is_file():
        raise RunError(f"no run at {run_directory}: it holds no {DATABASE_NAME}", hint="Check the path of the run")
    with readable_errors(run_directory):
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S)
        connection.row_factory = sqlite3.Row
        check_version(connection, run_directory)
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables inside the transaction that the caller has begun."""
    for statement in SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def check_version(connection: sqlite3.Connection, run_directory: Path) -> None:
    """Refuse a database without our tables, or of another schema.

    Raises:
        RunError: Says which.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        raise RunError(f"no run at {run_directory}: its {DATABASE_NAME} is empty", hint="Start it with `generate`")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"the run at {run_directory} has schema {version}; this version reads schema {SCHEMA_VERSION}",
            hint="Use the version of routenator that wrote it, or start a new run in another directory",
        )
