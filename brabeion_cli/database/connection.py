"""SQLite with a fair wait for the write lock, and with its errors turned into brabeion's."""

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
    """Whether brabeion itself, and not badge code, is opening a database now."""
    return _opening


@contextmanager
def opening() -> Iterator[None]:
    """Mark a block in which brabeion itself opens the database."""
    global _opening
    _opening = True
    try:
        yield
    finally:
        _opening = False


T = TypeVar("T")

#: Events come from users in random order, so they touch the index pages in random order. With a larger cache than
#: SQLite's default, each page is read and written less often.
CACHE_KIB = 4 * 1024  # KiB of pages in memory
LOG_PAGES = 4000  # pages in the write-ahead log before they are moved to the file

PATIENCE = 30.0  # seconds to wait for the write lock
LIBRARY_VERSION = sqlite3.sqlite_version_info  # of SQLite itself
MIN_PAUSE, MAX_PAUSE = 0.001, 0.008  # shortest and longest pause between two tries, in seconds; drawn at random

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
LOCKED = (sqlite3.OperationalError, peewee.OperationalError)  # peewee's when it connects or starts a transaction
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
UNDECODABLE = "Could not decode to UTF-8"  # an error of Python's sqlite3 module, without a code
# If the system does not let a file grow (quota, ulimit), SQLite reports an I/O error, not a full disk.
CANNOT_GROW = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP)


class Database(peewee.SqliteDatabase):
    """A SQLite file. Every transaction is IMMEDIATE. The file must exist, except with `create`.

    `patience` is how long to wait for the write lock, in seconds. SQLite's own wait (`busy_timeout`) backs off, and
    writers starve. Retrying at random every few milliseconds cuts the worst wait of sixteen writers from seven seconds
    to a third of a second.
    """

    def __init__(self, path: str, patience: float = PATIENCE, *, create: bool = False) -> None:
        self.patience = patience
        self._keeps_log = False
        self._raw: sqlite3.Connection | None = None  # peewee's own lookup takes as long as a short statement
        mode = "rwc" if create else "rw"
        # These are settings of the connection. They write nothing to the file.
        pragmas = {
            "synchronous": "FULL", "foreign_keys": 1, "cache_size": -CACHE_KIB, "wal_autocheckpoint": LOG_PAGES,
        }  # fmt: skip
        escaped = "".join(f"%{byte:02x}" if byte in b"%?#" or byte > 127 else chr(byte) for byte in os.fsencode(path))
        super().__init__(f"file:{escaped}?mode={mode}", pragmas, uri=True, timeout=0, lock_type="IMMEDIATE")

    def _connect(self) -> Any:  # peewee calls this to open a connection
        with opening():
            self._raw = super()._connect()  # type: ignore[misc]  # its stubs lack it
        return self._raw

    def close(self) -> Any:
        self._raw = None
        return super().close()

    def write_transaction(self) -> AbstractContextManager[Any]:
        """A block in one short IMMEDIATE transaction: everything in it is written, or nothing."""
        if not self._keeps_log:  # only when writing: a file that is only read stays unchanged
            self.pragma("journal_mode", "wal")
            self._keeps_log = True
        return self.atomic()

    def begin(self, lock_type: Any = None) -> None:
        self._patiently(lambda: super(Database, self).begin(lock_type))

    def execute_sql(self, sql: str, params: Any = None) -> sqlite3.Cursor:
        # This bypasses peewee, whose wrapper takes as long as a short statement. So errors are sqlite3's own.
        try:
            return self.raw().execute(sql, params or ())
        except LOCKED as error:
            if primary_code(error) not in BUSY:
                raise
        except UnicodeDecodeError as error:  # SQLite's error message quotes damaged text
            raise _malformed(error) from error
        return self._patiently(lambda: self.raw().execute(sql, params or ()))

    def raw(self) -> sqlite3.Connection:
        """The sqlite3 connection that peewee uses."""
        connection: sqlite3.Connection = self._raw or self.connection()  # type: ignore[no-untyped-call]
        return connection

    def data_version(self) -> tuple[object, int]:
        """The connection, and a number that changes when another connection writes."""
        connection = self.raw()
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        return connection, version

    def rollback(self) -> None:
        # If the disk is full, SQLite has already rolled back. A second ROLLBACK would fail and hide the reason.
        if self.raw().in_transaction:
            super().rollback()

    def rewrite(self) -> bool:
        """Rewrite the file without a trace of what was deleted, and empty the write-ahead log.

        Returns False if others still read from the log after `patience` seconds.
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
    time.sleep(MIN_PAUSE + (MAX_PAUSE - MIN_PAUSE) * int.from_bytes(os.urandom(1)) / 255)


def _malformed(error: UnicodeDecodeError) -> sqlite3.DatabaseError:
    malformed = sqlite3.DatabaseError(f"text is malformed: {error}")
    malformed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return malformed


def error_code(error: BaseException) -> int:
    """SQLite's extended result code behind an exception of peewee or sqlite3; 0 if it has none."""
    while (original := getattr(error, "orig", None)) is not None:  # peewee wraps errors of connect() twice
        error = original
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code


def primary_code(error: BaseException) -> int:
    """SQLite's result code, without the details in the upper bits."""
    return error_code(error) & 0xFF


@contextmanager
def errors_as_store_errors(path: str) -> Iterator[None]:
    """A block whose SQLite errors are raised as a `StoreError` that says what to do."""
    try:
        yield
    except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
        raise store_error(error, path) from error


def store_error(error: BaseException, path: str) -> StoreError:
    """The `StoreError` for an error of SQLite."""
    code = primary_code(error)
    if code in BUSY:
        return StoreBusyError(f"{path} is busy: other processes held the write lock for too long. Try again")
    if code == sqlite3.SQLITE_FULL or error_code(error) in CANNOT_GROW:
        return StoreFullError(f"{path}: database or disk is full. Make room, then try again")
    if code in DAMAGED or (code == 0 and UNDECODABLE in str(error)):
        return StoreDamagedError(
            f"{path} is damaged ({error}). `brabeion db verify` says more; restore a backup, then try again"
        )
    return StoreError(f"{path} is out of reach: {error}. Check the path and its permissions, then try again")
