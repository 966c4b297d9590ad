"""Databases of schema version 1."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from brabeion_cli.database import migrations
from brabeion_cli.database.schema import APPLICATION_ID


def older_database(path: Path, events: int) -> Path:
    """With that many events of 97 users."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        _make_tables(connection)
        connection.executemany(
            "INSERT INTO events (name, \"user\", at, id, state) VALUES ('points_awarded', ?, ?, ?, '{}')",
            ((f"user{n % 97}", f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}.000000Z", n) for n in range(events)),
        )
        _mark(connection)
    return path


def older_copy(path: Path, newer: Path) -> Path:
    """With the events, awards and tasks of a newer store, of which there have to be some."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        _make_tables(connection)
        connection.execute("ATTACH ? AS newer", (str(newer),))
        for table in ("events", "awards", "tasks"):
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
            assert connection.execute(f"INSERT INTO {table} SELECT {columns} FROM newer.{table}").rowcount > 1
        connection.commit()
        _mark(connection)
    return path


def _make_tables(connection: sqlite3.Connection) -> None:
    for statement in migrations.statements(until=1):
        connection.execute(statement)


def _mark(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
