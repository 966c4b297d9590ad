"""Whether a database can be trusted: its pages, its schema, its rows; and its kept totals, counted again."""

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
    """Count the kept totals anew, whatever they were."""
    with database.write_transaction():
        for statement in (*totals.RECOUNT, *late_counts.recount()):
            database.execute_sql(statement)


def problems(database: Database) -> Iterator[str]:
    """What is wrong with the store: its pages, its schema, its rows. Nothing where it is sound.

    Rows are read only where pages and schema are sound: what they say is not to be trusted otherwise.
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
    """Tables and indexes that are missing or differ."""
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
