"""Copies a store that is in use (`db backup`)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat

from brabeion_cli.database import connection
from brabeion_cli.database.connection import Database
from brabeion_cli.errors import FileProblemError, StoreFullError


def backup(database: Database, source: str, path: str, *, overwrite: bool = False) -> int:
    """Copy the store as of one moment, while others go on writing. Returns the copy's size in bytes.

    The file at `path` is either complete or not there. Raises `FileProblemError`, or `StoreFullError` if the disk is
    full.
    """
    if os.path.exists(path) and not overwrite:
        raise FileProblemError(f"{path} exists already; nothing was written. Choose another name, or use --overwrite")
    if os.path.exists(path) and os.path.samefile(path, source):
        raise FileProblemError(f"{path} is the database itself")
    for log in (f"{path}-wal", f"{path}-journal"):
        if os.path.exists(log):
            raise FileProblemError(
                f"{log} belongs to another database and would be read into the copy; choose another name"
            )
    partial = f"{path}.{os.getpid()}.partial"
    try:
        mode = stat.S_IMODE(os.stat(source).st_mode)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode | stat.S_IWUSR))
        with contextlib.closing(sqlite3.connect(partial)) as copy:
            database.raw().backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        os.chmod(partial, mode)
        _sync(partial)
        os.replace(partial, path)
        _sync(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise FileProblemError(f"cannot write {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        ours = connection.store_error(error, path)
        raise ours if isinstance(ours, StoreFullError) else FileProblemError(f"cannot write {path}: {error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
    return os.stat(path).st_size


def _sync(path: str) -> None:
    """Make a file's content, or the names in a folder, survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
