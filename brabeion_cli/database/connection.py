"""SQLite with our manners: a fair wait for the write lock, a full disk that says so, errors as ours."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import peewee

from brabeion_cli.errors import StoreBusyError, StoreDamagedError, StoreError, StoreFullError

_opening = False


def is_opening() -> bool:
    """Whether it is brabeion that opens a database at this moment, and not badge code."""
    return _opening


@contextmanager
def opening() -> Iterator[None]:
    """A block in which it is brabeion that opens the database."""
    global _opening
    _opening = True
    try:
        yield
    finally:
        _opening = False


T = TypeVar("T")

#: Users come at random, and so do the pages of the indexes that begin with one: with more than SQLite takes by default,
#: a page is read and written less often.
CACHE = 4 * 1024  # KiB of pages in memory
LOG = 4000  # pages in the write-ahead log, after which they go into the file

PATIENCE = 30.0  # seconds to wait for the write lock
PAUSE = (0.001, 0.008)  # seconds between two tries, drawn at random

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
LOCKED = (sqlite3.OperationalError, peewee.OperationalError)  # peewee's where it opens the connection or begins
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UNDECODABLE = "Could not decode to UTF-8"  # Python's own error, without a code
# Where the system refuses to let a file grow (quota, ulimit) SQLite calls it an I/O error, not a full disk.
CANNOT_GROW = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP)


class Database(peewee.SqliteDatabase):
    """A SQLite file that is there. Every transaction is IMMEDIATE.

    SQLite's own wait (`busy_timeout`) backs off and starves: asking again every few milliseconds, at random, gives
    sixteen writers a worst wait of a third of a second where it gave seven seconds.
    """

    def __init__(self, path: str, patience: float = PATIENCE, *, create: bool = False) -> None:
        self.patience = patience
        self._keeps_log = False
        self._raw: sqlite3.Connection | None = None  # peewee's own way to it takes as long as a short statement
        mode = "rwc" if create else "rw"
        # Of the connection: they write nothing.
        pragmas = {
            "synchronous": "FULL", "foreign_keys": 1, "cache_size": -CACHE, "wal_autocheckpoint": LOG,
        }  # fmt: skip
        escaped = "".join(f"%{byte:02x}" if byte in b"%?#" or byte > 127 else chr(byte) for byte in os.fsencode(path))
        super().__init__(f"file:{escaped}?mode={mode}", pragmas, uri=True, timeout=0, lock_type="IMMEDIATE")

    def _connect(self) -> Any:  # peewee calls it where it opens a connection
        with opening():
            self._raw = super()._connect()  # type: ignore[misc]  # its stubs lack it
        return self._raw

    def close(self) -> Any:
        self._raw = None
        return super().close()

    def write_transaction(self) -> AbstractContextManager[Any]:
        """One short IMMEDIATE transaction: all of the block, or nothing."""
        if not self._keeps_log:  # a copy that was only read stays as it is
            self.pragma("journal_mode", "wal")
            self._keeps_log = True
        return self.atomic()

    def begin(self, lock_type: Any = None) -> None:
        self._patiently(lambda: super(Database, self).begin(lock_type))

    def execute_sql(self, sql: str, params: Any = None) -> sqlite3.Cursor:
        # Past peewee, whose wrapping takes as long as a short statement. Errors stay sqlite3's.
        try:
            return self.raw().execute(sql, params or ())
        except LOCKED as error:
            if primary_code(error) not in BUSY:
                raise
        except UnicodeDecodeError as error:  # SQLite's message quotes damaged text
            raise _malformed(error) from error
        return self._patiently(lambda: self.raw().execute(sql, params or ()))

    def raw(self) -> sqlite3.Connection:
        """The connection below peewee."""
        connection: sqlite3.Connection = self._raw or self.connection()  # type: ignore[no-untyped-call]
        return connection

    def data_version(self) -> tuple[object, int]:
        """The connection, and a number that changes when another connection has written."""
        connection = self.raw()
        return connection, connection.execute("PRAGMA data_version").fetchone()[0]

    def rollback(self) -> None:
        # On a full disk SQLite has rolled back already; a second ROLLBACK would hide the reason.
        if self.raw().in_transaction:
            super().rollback()

    def rewrite(self) -> bool:
        """Write the file anew, without a trace of what was deleted, and empty the write-ahead log; False where others
        read in the log for as long as we wait.
        """
        self.execute_sql("VACUUM")
        deadline = time.monotonic() + self.patience
        while self.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() >= deadline:
                return False
            _pause()
        return True

    def _patiently(self, action: Callable[[], T]) -> T:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return action()
            except LOCKED as error:
                if primary_code(error) not in BUSY or time.monotonic() >= deadline:
                    raise
            _pause()


def _pause() -> None:
    time.sleep(PAUSE[0] + (PAUSE[1] - PAUSE[0]) * os.urandom(1)[0] / 255)


def _malformed(error: UnicodeDecodeError) -> sqlite3.DatabaseError:
    malformed = sqlite3.DatabaseError(f"text is malformed: {error}")
    malformed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return malformed


def error_code(error: BaseException) -> int:
    """SQLite's extended result code behind an exception of peewee or sqlite3; 0 where there is none."""
    while (original := getattr(error, "orig", None)) is not None:  # peewee wraps an error of connect() twice
        error = original
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code


def primary_code(error: BaseException) -> int:
    """SQLite's result code without the details in its upper bits."""
    return error_code(error) & 0xFF


@contextmanager
def errors_as_ours(path: str) -> Iterator[None]:
    """Turns whatever SQLite raises inside into a `StoreError` that says what to do."""
    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
        raise store_error(error, path) from error


def store_error(error: BaseException, path: str) -> StoreError:
    """The error of ours behind one of SQLite's."""
    code = primary_code(error)
    if code in BUSY:
        return StoreBusyError(f"{path} is busy: others held its write lock for too long. Try again")
    if code == sqlite3.SQLITE_FULL or error_code(error) in CANNOT_GROW:
        return StoreFullError(f"{path}: database or disk is full. Make room, then try again")
    if code in DAMAGED or (code == 0 and UNDECODABLE in str(error)):
        return StoreDamagedError(
            f"{path} is damaged ({error}). `brabeion db verify` says more; restore a backup, then try again"
        )
    return StoreError(f"{path} is out of reach: {error}. Check the path and its permissions, then try again")
