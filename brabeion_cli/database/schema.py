"""Opens the database of a store: checks the file before writing anything, then creates or migrates the tables."""

from __future__ import annotations

import os
import stat
import struct
from typing import NamedTuple

from brabeion_cli.database import connection, migrations
from brabeion_cli.errors import ForeignDatabaseError, NoDatabaseError, SchemaVersionError, StoreDamagedError, StoreError

APPLICATION_ID = 0x62726162  # "brab"
MAGIC = b"SQLite format 3\0"


class Identity(NamedTuple):
    """What the header and the schema of a file say: application id, schema version, number of schema entries."""

    application: int
    version: int
    tables: int


class OpenedDatabase(NamedTuple):
    """An open database.

    `created` says whether opening it created the tables. `migrated_from` is the version before (0 if there were no
    tables), or None if nothing was migrated.
    """

    database: connection.Database
    created: bool = False
    migrated_from: int | None = None


def open_database(path: str, *, create: bool = False, patience: float = connection.PATIENCE) -> OpenedDatabase:
    """Open a database, and migrate an older one. With `create`, a missing or empty file is made into a database.

    `patience` is how long to wait for the write lock, in seconds. Raises `NoDatabaseError`, `ForeignDatabaseError` or
    `SchemaVersionError` before anything is written, or a `StoreError`.
    """
    _check_file(path, create)
    database = connection.Database(path, patience, create=create)
    try:
        with connection.errors_as_store_errors(path):
            identity = _identify(database)
            _check_identity(identity, path, create)
            if identity.version < migrations.SCHEMA_VERSION or identity.application != APPLICATION_ID:
                before = _migrate(database, path)
                return OpenedDatabase(database, created=before == 0, migrated_from=before)
    except BaseException:
        if not database.is_closed():
            database.close()
        raise
    return OpenedDatabase(database)


def _check_file(path: str, create: bool) -> None:
    """Refuse a file that is not a brabeion database by its first bytes, before SQLite touches it."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise NoDatabaseError(f"the database {path} is not a file: name a SQLite file")
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        if not create:
            raise NoDatabaseError(
                f"no database at {path}: `brabeion fire` or `brabeion ingest` creates one, --db names another"
            ) from None
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise NoDatabaseError(
                f"no database at {path}: the directory {folder} does not exist; create it first"
            ) from None
        return
    except NotADirectoryError as error:
        raise NoDatabaseError(f"the database {path} is not a file: {error.strerror}") from None
    except OSError as error:
        raise StoreError(f"the database {path} is out of reach: {error.strerror}. Check its permissions") from error
    if not header:
        return
    if not header.startswith(MAGIC) or len(header) < 100:
        raise ForeignDatabaseError(f"{path} is not a SQLite database; nothing was written. --db names another file")
    version, application = struct.unpack(">i4xi", header[60:72])
    if application == APPLICATION_ID and version > migrations.SCHEMA_VERSION:
        raise _too_new(path, version)
    if application not in (0, APPLICATION_ID):  # 0: the id may still be in the write-ahead log
        raise _foreign(path)


def _identify(database: connection.Database) -> Identity:
    # One read transaction, because another process may be creating the tables now.
    database.execute_sql("BEGIN DEFERRED")
    try:
        tables = database.execute_sql("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return Identity(int(database.pragma("application_id")), int(database.pragma("user_version")), int(tables))
    finally:
        database.rollback()


def _check_identity(identity: Identity, path: str, create: bool) -> None:
    if identity.application == APPLICATION_ID:
        if identity.version > migrations.SCHEMA_VERSION:
            raise _too_new(path, identity.version)
        if identity.version < 1:
            raise StoreDamagedError(f"{path} is damaged (schema version {identity.version}); restore a backup")
    elif identity.application != 0 or identity.tables or identity.version:
        raise _foreign(path)
    elif not create:
        raise NoDatabaseError(f"{path} is an empty database: `brabeion fire` or `brabeion ingest` sets it up")


def _migrate(database: connection.Database, path: str) -> int | None:
    """Migrate the schema in one transaction. Returns the version before, or None if another process was faster.

    The version is read again inside the transaction.
    """
    with database.write_transaction():
        before = int(database.pragma("user_version"))
        if before > migrations.SCHEMA_VERSION:
            raise _too_new(path, before)
        if before == migrations.SCHEMA_VERSION:
            return None
        for statement in migrations.statements(before):
            database.execute_sql(statement)
        database.pragma("application_id", APPLICATION_ID)
        database.pragma("user_version", migrations.SCHEMA_VERSION)
    return before


def _too_new(path: str, version: int) -> SchemaVersionError:
    return SchemaVersionError(
        f"{path} has schema version {version}; this version of brabeion knows schema versions up to "
        f"{migrations.SCHEMA_VERSION}. Nothing was written. Install a brabeion that knows version {version}"
    )


def _foreign(path: str) -> ForeignDatabaseError:
    return ForeignDatabaseError(
        f"{path} is another application's database; nothing was written. --db names another file"
    )
