"""Totals that a ledger keeps beside its samples, so that nobody counts a million rows to know how a run stands.

Triggers keep them: they change in the transaction that changes the samples, whatever statement does it.
"""

from __future__ import annotations

import sqlite3

TOTAL_COLUMNS = ("verdict", "route", "function", "category", "template", "error_class")
"""Columns by which samples are counted as they come."""

_GROUP = ", ".join(TOTAL_COLUMNS)
# Null equals null here: one group for the samples without a template.
_UNIQUE = "verdict, route, function, category, ifnull(template, ''), ifnull(error_class, '')"
_STANDING = "SELECT verdict FROM sample WHERE slot = NEW.slot ORDER BY verdict = 'accepted' DESC, round DESC LIMIT 1"
_BEFORE_INSERT = """
    SELECT verdict FROM sample WHERE slot = NEW.slot AND round != NEW.round
    ORDER BY verdict = 'accepted' DESC, round DESC LIMIT 1
"""
_BEFORE_UPDATE = """
    SELECT CASE round WHEN NEW.round THEN OLD.verdict ELSE verdict END AS was FROM sample WHERE slot = NEW.slot
    ORDER BY was = 'accepted' DESC, round DESC LIMIT 1
"""


def _count(row: str, change: int) -> str:
    values = ", ".join(f"{row}.{column}" for column in TOTAL_COLUMNS)
    return f"""
        INSERT INTO total ({_GROUP}, samples) VALUES ({values}, {change})
        ON CONFLICT ({_UNIQUE}) DO UPDATE SET samples = samples + excluded.samples;
    """  # noqa: S608 - names of ours


def _stand(before: str) -> str:
    return f"""
        UPDATE standing SET slots = slots - 1 WHERE verdict = ({before});
        UPDATE standing SET slots = slots + 1 WHERE verdict = ({_STANDING});
    """  # noqa: S608


TOTALS_SCHEMA = (
    f"CREATE TABLE total ({_GROUP}, samples INTEGER NOT NULL)",
    f"CREATE UNIQUE INDEX total_group ON total ({_UNIQUE})",
    "CREATE TABLE standing (verdict TEXT PRIMARY KEY, slots INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO standing VALUES ('accepted', 0), ('rejected', 0), ('failed', 0)",
    f"""
    CREATE TRIGGER sample_inserted AFTER INSERT ON sample BEGIN
        {_count("NEW", 1)} {_stand(_BEFORE_INSERT)}
    END
    """,
    f"""
    CREATE TRIGGER sample_updated AFTER UPDATE OF {_GROUP} ON sample BEGIN
        {_count("OLD", -1)} {_count("NEW", 1)} {_stand(_BEFORE_UPDATE)}
    END
    """,
)
"""``total`` holds samples by ``TOTAL_COLUMNS``; ``standing`` holds slots by what stands for each: its accepted round,
otherwise its latest. Samples are never deleted."""


def find_wrong_total(connection: sqlite3.Connection) -> str | None:
    """Compare the totals with the samples, all of which are read; what is wrong, or ``None``."""
    counted = f"SELECT {_GROUP}, count(*) FROM sample GROUP BY {_GROUP}"  # noqa: S608
    kept = f"SELECT {_GROUP}, samples FROM total WHERE samples != 0"  # noqa: S608
    stands = """
        SELECT verdict, count(*) FROM sample AS latest WHERE NOT EXISTS (
            SELECT 1 FROM sample AS other WHERE other.slot = latest.slot AND (
                (other.verdict = 'accepted') > (latest.verdict = 'accepted')
                OR (other.verdict = 'accepted') = (latest.verdict = 'accepted') AND other.round > latest.round
            )
        ) GROUP BY verdict
    """
    for name, ours, true in (
        ("total", kept, counted),
        ("standing", "SELECT verdict, slots FROM standing WHERE slots != 0", stands),
    ):
        if set(connection.execute(ours)) != set(connection.execute(true)):
            return f"the table {name} is not what the samples add up to"
    return None
