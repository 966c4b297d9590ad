"""`db backup`, `db verify` and recounting: copies that can be trusted, and whether the store can."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import stat
from collections.abc import Iterator

from brabeion_cli import soundness, sqlite
from brabeion_cli.errors import FileProblemError, StoreFullError
from brabeion_cli.late_counts import count_anew
from brabeion_cli.migrations import COUNT_ANEW, MIGRATIONS, SCHEMA_VERSION
from brabeion_cli.opening import APPLICATION_ID
from brabeion_cli.store import Store

MAX_PROBLEMS = 20


def backup(store: Store, path: str, *, overwrite: bool = False) -> int:
    """Copy the store, as it is at one moment, while others go on writing; return the copy's size in bytes.

    The copy is complete under its name, or not there at all. Raises `FileProblemError`.
    """
    if os.path.exists(path) and not overwrite:
        raise FileProblemError(f"{path} is there already; nothing was written. Choose another name, or say --overwrite")
    if os.path.exists(path) and os.path.samefile(path, store.path):
        raise FileProblemError(f"{path} is the database itself")
    for log in (f"{path}-wal", f"{path}-journal"):
        if os.path.exists(log):
            raise FileProblemError(
                f"{log} belongs to another database and would be read into the copy; choose another name"
            )
    partial = f"{path}.{os.getpid()}.partial"
    try:
        mode = stat.S_IMODE(os.stat(store.path).st_mode)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode | stat.S_IWUSR))
        with contextlib.closing(sqlite3.connect(partial)) as copy:
            store.database.raw().backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        os.chmod(partial, mode)
        _sync(partial)
        os.replace(partial, path)
        _sync(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise FileProblemError(f"cannot write {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        ours = sqlite.store_error(error, path)
        raise ours if isinstance(ours, StoreFullError) else FileProblemError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
    return os.stat(path).st_size


def _sync(path: str) -> None:
    """What was written to a file, or the names in a folder, survives a power cut from now on."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def recount(store: Store) -> None:
    """Count the kept totals anew, whatever they were."""
    with store.transaction():
        for statement in (*COUNT_ANEW, *count_anew()):
            store.database.execute_sql(statement)


def problems(store: Store) -> Iterator[str]:
    """What is wrong with the store: its pages, its schema, its rows. Nothing where it is sound.

    Rows are read only where pages and schema are sound: what they say is not to be trusted otherwise.
    """
    try:
        lines = [line for (line,) in store.database.execute_sql(f"PRAGMA integrity_check({MAX_PROBLEMS})")]
        damage = [*(line for line in lines if line != "ok"), *schema_problems(store)]
        yield from damage or soundness.contradictions(store)
    except Exception as error:
        if sqlite.error_code(error) == 0:
            raise
        yield f"reading stopped: {error}"


def schema_problems(store: Store) -> Iterator[str]:
    """Tables and indexes that are missing or differ."""
    query = "SELECT name, type || tbl_name || coalesce(sql, '') FROM sqlite_master"
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        for statement in itertools.chain(*MIGRATIONS):
            fresh.execute(statement)
        wanted = dict(fresh.execute(query).fetchall())
    found = dict(store.database.execute_sql(query).fetchall())
    for name in wanted.keys() - found.keys():
        yield f"{name} is missing from the schema"
    for name in wanted.keys() & found.keys():
        if wanted[name] != found[name]:
            yield f"{name} differs from the schema of version {SCHEMA_VERSION}"
    if store.database.pragma("application_id") != APPLICATION_ID:
        yield "the file is not marked as brabeion's"
