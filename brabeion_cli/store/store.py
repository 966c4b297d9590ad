"""`Store`: an open database with its event log, its award log and transactions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from brabeion_cli.database import connection
from brabeion_cli.database.schema import OpenedDatabase, open_database
from brabeion_cli.store.award_log import AwardLog
from brabeion_cli.store.event_log import EventLog

Query = TypeVar("Query", bound=Any)


class Store:
    """An open database. Use it as a context manager: errors of SQLite leave the block as a `StoreError`.

        with open_store("brabeion.db") as store:
            with store.transaction():
                store.events.add(event)

    `created` says whether opening it created the tables. `migrated_from` is the version before (0 if there were no
    tables), or None if nothing was migrated.
    """

    def __init__(self, path: str, opened: OpenedDatabase) -> None:
        self.path = path
        self.database = opened.database
        self.created = opened.created
        self.migrated_from = opened.migrated_from
        self.events = EventLog(self.database)
        self.awards = AwardLog(self.database)
        self._errors: AbstractContextManager[None] | None = None

    def __enter__(self) -> Self:
        self._errors = self.errors()
        self._errors.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        assert self._errors is not None
        self._errors.__exit__(kind, error, traceback)

    def errors(self) -> AbstractContextManager[None]:
        """A block that raises errors of SQLite as a `StoreError`. For a store that is not used as a context manager."""
        return connection.errors_as_store_errors(self.path)

    def close(self) -> None:
        """Close the connection. The next statement opens it again. A process must not fork while it is open."""
        if not self.database.is_closed():
            self.database.close()

    def transaction(self) -> AbstractContextManager[Any]:
        """A block in one short IMMEDIATE transaction: everything in it is written, or nothing."""
        return self.database.write_transaction()

    def ask(self, query: Query) -> Query:
        """Bind a query of `database.models` to this store. Iterate over the result, or call its `execute()`."""
        bound: Query = query.bind(self.database)
        return bound


def open_store(path: str, *, create: bool = False, patience: float = connection.PATIENCE) -> Store:
    """Open the store at a path, and migrate an older one. With `create`, a missing or empty file is made into a store.

    `patience` is how long to wait for the write lock, in seconds. Raises `NoDatabaseError`, `ForeignDatabaseError` or
    `SchemaVersionError` before anything is written, or a `StoreError`.
    """
    return Store(path, open_database(path, create=create, patience=patience))
