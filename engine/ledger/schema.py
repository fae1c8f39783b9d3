"""Tables of a ledger's database, and how a connection to it is opened."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from routenator.engine.errors import NoRunError, RunError
from routenator.engine.ledger.totals import TOTALS_SCHEMA
from routenator.engine.ledger.trace_codec import dump_json, load_json
from routenator.engine.sample import AXES

SCHEMA_VERSION = 4
DATABASE_NAME = "run.db"

STRATUM_COLUMNS = tuple("wanted_arguments" if axis == "arguments" else axis for axis in AXES)
"""Columns of the stratum, in the order of its axes; ``arguments`` is what the row calls its function with."""
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
ROW_COLUMNS = (*SAMPLE_COLUMNS, "trace_checksum", "checksum")
"""All columns of ``sample``. ``trace_checksum`` is null when the run keeps no traces."""
JSON_COLUMNS = ("arguments", "grounding", "reasons", "node_ms")
"""Columns that hold JSON text.

``reasons`` lists ``source:code`` of every finding of every attempt, and ``error:class`` of attempts that ended in an
error; ``node_ms`` maps a node to the milliseconds that the sample spent in it.
"""

# sample_listing answers what lists ask, whatever their filter, without a look at the wide rows.
# A lone surrogate is not UTF-8, so text with one is stored as a blob: the text columns take both.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
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
    wanted_arguments TEXT NOT NULL,
    casing TEXT NOT NULL,
    noise TEXT NOT NULL,
    punctuation TEXT NOT NULL,
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
    trace_checksum INTEGER,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (slot, round)
);
CREATE INDEX sample_listing ON sample (slot, round, verdict, route, function, category, template, error_class);
CREATE INDEX sample_verdict ON sample (verdict, slot, round);
CREATE TABLE trace (
    slot INTEGER NOT NULL,
    round INTEGER NOT NULL,
    dictionary INTEGER REFERENCES dictionary (id),
    blob BLOB NOT NULL,
    PRIMARY KEY (slot, round)
);
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE text (id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
"""

_BUSY_TIMEOUT_S = 30.0
_MAX_IDLE_WAL_BYTES = 16 * 1024 * 1024


def database_path(run_directory: Path, ledger: int = 0) -> Path:
    """Where a ledger of a run lies: ledger 0 is ``run.db``, ledger k ``run-k.db``."""
    return run_directory / (f"run-{ledger}.db" if ledger else DATABASE_NAME)


class DamagedRowError(ValueError):
    """A row is not what was written."""


@contextmanager
def readable_errors(run_directory: Path, ledger: int = 0) -> Iterator[None]:
    """Turn SQLite's errors and damaged rows into a `RunError` that says which file and what to do."""
    try:
        yield
    except (DamagedRowError, UnicodeDecodeError) as exc:  # the latter: SQLite's message quotes damaged text
        raise damaged(run_directory, ledger, str(exc)) from exc
    except sqlite3.Error as exc:
        # An operational error without a code is Python's own: a text that is no UTF-8 any more.
        if not isinstance(exc, sqlite3.OperationalError) or not hasattr(exc, "sqlite_errorcode"):
            raise damaged(run_directory, ledger, str(exc)) from exc
        hint = "Check that the disk has room and can be written"
        raise RunError(f"{database_path(run_directory, ledger)}: {exc}", hint=hint) from exc


def damaged(run_directory: Path, ledger: int, what: str) -> RunError:
    """The error to raise when a ledger does not hold what was written to it."""
    return RunError(
        f"{database_path(run_directory, ledger)} is damaged: {what}",
        hint=f"`routenator repair {run_directory}` keeps what is whole; the slots that are lost are then open again",
    )


def connect_writer(run_directory: Path, ledger: int = 0) -> sqlite3.Connection:
    """The one connection that may write this ledger; transactions are begun by hand.

    Every commit is on the disk when it returns: WAL with ``synchronous=FULL`` (https://sqlite.org/wal.html).
    """
    connection = sqlite3.connect(database_path(run_directory, ledger), timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # The WAL of a run with a slow reader grows until that reader is done; this gives the room back afterwards.
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_IDLE_WAL_BYTES}")
    return connection


def connect_reader(run_directory: Path, ledger: int = 0) -> sqlite3.Connection:
    """A read-only connection to one ledger; usable while a run writes.

    Raises:
        RunError: There is no run, or it was written by another version.
    """
    path = database_path(run_directory, ledger)
    if not path.is_file():
        if ledger:
            raise RunError(f"{path} is missing", hint="Put the file back: it holds a part of the run's samples")
        raise NoRunError(f"no run at {run_directory}: it holds no {DATABASE_NAME}", hint="Check the path of the run")
    with readable_errors(run_directory, ledger):
        connection = connect_file(path)
        connection.row_factory = sqlite3.Row
        check_version(connection, run_directory, ledger)
    return connection


def connect_file(database: Path) -> sqlite3.Connection:
    """A read-only connection to a file, whatever it holds."""
    uri = f"file:{quote(str(database.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S)


def connect_ledger(run_directory: Path, ledger: int) -> sqlite3.Connection:
    """`connect_writer` for a ledger that is there and is the run's own.

    Raises:
        RunError: It is not.
    """
    with closing(connect_reader(run_directory)) as connection:
        run_id = read_meta(connection)["run_id"]
    with closing(connect_reader(run_directory, ledger)) as connection:
        if ledger:
            check_owner(connection, run_directory, ledger, run_id)
    return connect_writer(run_directory, ledger)


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables inside the transaction that the caller has begun."""
    tables = [statement for statement in SCHEMA.split(";") if statement.strip()]
    for statement in (*tables, *TOTALS_SCHEMA):
        # Without line breaks and indents the schema fits into the file's first page.
        connection.execute(" ".join(statement.split()))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def write_meta(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    """Keep JSON-able ``values`` in ``meta``, each under its key."""
    texts = {key: dump_json(value).decode() for key, value in values.items()}
    connection.executemany(
        "INSERT OR REPLACE INTO meta (key, value, checksum) VALUES (?, ?, ?)",
        [(key, text, _checksum_entry(key, text)) for key, text in texts.items()],
    )


def read_meta(connection: sqlite3.Connection) -> dict[str, Any]:
    """Everything in ``meta``.

    Raises:
        DamagedRowError: An entry is not what was written.
    """
    meta = {}
    for key, text, checksum in connection.execute("SELECT key, value, checksum FROM meta"):
        if _checksum_entry(key, text) != checksum:
            raise DamagedRowError(f"the entry {key!r} of meta")
        meta[key] = load_json(text)
    return meta


def _checksum_entry(key: str, text: str) -> int:
    return zlib.crc32(f"{key}={text}".encode())


def check_version(connection: sqlite3.Connection, run_directory: Path, ledger: int = 0) -> None:
    """Refuse a database without our tables, or of another schema.

    Raises:
        RunError: Says which.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        name = database_path(run_directory, ledger).name
        raise NoRunError(f"no run at {run_directory}: its {name} is empty", hint="Start it with `generate`")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"the run at {run_directory} has schema {version}; this version reads schema {SCHEMA_VERSION}",
            hint="Use the version of routenator that wrote it, or start a new run in another directory",
        )


def check_owner(connection: sqlite3.Connection, run_directory: Path, ledger: int, run_id: str) -> None:
    """Refuse a file that is not ledger number ``ledger`` of the run ``run_id``: one that was copied or renamed.

    Raises:
        RunError: Says which file.
    """
    meta = read_meta(connection)
    if (meta.get("run_id"), meta.get("ledger")) != (run_id, ledger):
        path = database_path(run_directory, ledger)
        raise RunError(f"{path} belongs to another run", hint=f"Put the file back that {DATABASE_NAME} was made with")
