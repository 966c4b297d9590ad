"""`Store`: an open database with its event log and its award log, and the unit of work: one transaction."""

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
    """An open database. Use it as a context manager: SQLite's errors come out of the block as ours.

        with open_store("brabeion.db") as store:
            with store.transaction():
                store.events.add(event)

    `created` tells whether opening it created the tables; `migrated_from` names the version before, else None.
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
        """A block whose SQLite errors come out as ours, for a store that is not itself used as one."""
        return connection.errors_as_ours(self.path)

    def close(self) -> None:
        """Close the connection; the next statement opens it again. A process forks only while it is closed."""
        if not self.database.is_closed():
            self.database.close()

    def transaction(self) -> AbstractContextManager[Any]:
        """One short IMMEDIATE transaction: all of the block, or nothing."""
        return self.database.write_transaction()

    def ask(self, query: Query) -> Query:
        """A query of `database.models`, bound to this store: iterate it, or `execute()` it."""
        bound: Query = query.bind(self.database)
        return bound


def open_store(path: str, *, create: bool = False, patience: float = connection.PATIENCE) -> Store:
    """Open the store at a path, migrating an older one; with `create` a missing or empty file becomes one.

    Raises `NoDatabaseError`, `ForeignDatabaseError`, `SchemaVersionError`, all before anything is written; or a
    `StoreError`.
    """
    return Store(path, open_database(path, create=create, patience=patience))
