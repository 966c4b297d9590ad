"""Checks a database's pages, schema and rows (`db verify`), and recounts its totals (`db migrate --recount`)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from brabeion_cli.database import connection, late_counts, migrations, row_checks, totals
from brabeion_cli.database.connection import Database
from brabeion_cli.database.migrations import SCHEMA_VERSION
from brabeion_cli.database.schema import APPLICATION_ID

MAX_PROBLEMS = 20


def recount(database: Database) -> None:
    """Count the stored totals and the late events again."""
    with database.write_transaction():
        for statement in (*totals.RECOUNT, *late_counts.recount()):
            database.execute_sql(statement)


def problems(database: Database) -> Iterator[str]:
    """What is wrong with the store, a line each. No lines if it is sound.

    Rows are checked only if pages and schema are sound, because otherwise they cannot be trusted.
    """
    try:
        lines = [line for (line,) in database.execute_sql(f"PRAGMA integrity_check({MAX_PROBLEMS})")]
        damage = [*(line for line in lines if line != "ok"), *schema_problems(database)]
        yield from damage or row_checks.contradictions(database)
    except Exception as error:
        if connection.error_code(error) == 0:
            raise
        yield f"reading stopped: {error}"


def schema_problems(database: Database) -> Iterator[str]:
    """Tables, indexes and triggers that are missing or differ, a line each."""
    query = "SELECT name, type || tbl_name || coalesce(sql, '') FROM sqlite_master"
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        for statement in migrations.statements():
            fresh.execute(statement)
        wanted = dict(fresh.execute(query).fetchall())
    found = dict(database.execute_sql(query).fetchall())
    for name in wanted.keys() - found.keys():
        yield f"{name} is missing from the schema"
    for name in wanted.keys() & found.keys():
        if wanted[name] != found[name]:
            yield f"{name} differs from the schema of version {SCHEMA_VERSION}"
    if database.pragma("application_id") != APPLICATION_ID:
        yield "the file is not marked as brabeion's"
