"""`Store`: an open database; transactions; the few writes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from brabeion_cli.database import connection
from brabeion_cli.database.schema import OpenedDatabase, open_database
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import Event
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.event_log import EventLog, Place

Query = TypeVar("Query", bound=Any)

INSERT_EVENT = (
    'INSERT INTO events (name, "user", at, id, state, tally, late, late_tally) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
INSERT_AWARD = (
    'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, event_number, given_by, reason, position) '
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
    "(SELECT coalesce(max(position), 0) + (?7 IS NOT NULL) FROM awards WHERE event_number = ?7)) "
    'ON CONFLICT ("user", badge, level, "key", occasion) DO UPDATE SET awarded_at = excluded.awarded_at, '
    "event_number = excluded.event_number, given_by = excluded.given_by, reason = excluded.reason, "
    "position = excluded.position, revoked_at = NULL, revoked_by = NULL, revoked_because = NULL "
    f"WHERE awards.revoked_by = '{REPLAY}'"  # what a replay took back may be earned after all
)
THAT_AWARD = 'WHERE "user" = ? AND badge = ? AND level = ? AND "key" = ? AND occasion = ?'


class AwardOnRecord(NamedTuple):
    """An award that was given: by which event (None: by hand), as the how-manieth of it; and who revoked it, if so."""

    event_number: int | None
    position: int
    revoked_by: str | None


class Store:
    """An open database. Use it as a context manager: SQLite's errors come out of the block as ours.

        with open_store("brabeion.db") as store:
            with store.transaction():
                store.add_event(event)

    `created` tells whether opening it created the tables; `migrated_from` names the version before, else None.
    """

    def __init__(self, path: str, opened: OpenedDatabase) -> None:
        self.path = path
        self.database = opened.database
        self.created = opened.created
        self.migrated_from = opened.migrated_from
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

    def add_event(self, event: Event, place: Place | None = None) -> int | None:
        """Enter an event in the journal; return its number, or None where its id is there already.

        `place` is what `RecordedEvents.place` says of it, where that is known.
        """
        place = place or EventLog(self.database).place(event.user, event.name, event.at)
        cursor = self.database.execute_sql(INSERT_EVENT, (*event[:5], *place))
        if cursor.rowcount != 1:
            return None
        if place[1]:
            EventLog(self.database).note_late(event.user, event.name, event.at)
        return cursor.lastrowid

    def has_event(self, id: str) -> bool:
        """Whether an event with that id is in the journal."""
        return self.database.execute_sql("SELECT 1 FROM events WHERE id = ?", (id,)).fetchone() is not None

    def add_award(
        self,
        grant: Grant,
        awarded_at: str,
        event_number: int | None,
        given_by: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """Enter an award; True where it is new, False where it stands on record: held, or revoked by a person."""
        cursor = self.database.execute_sql(INSERT_AWARD, (*grant[:5], awarded_at, event_number, given_by, reason))
        return bool(cursor.rowcount == 1)

    def move_award(self, grant: Grant, awarded_at: str, event_number: int) -> bool:
        """Date an award that is held back to an earlier event, which earns it too; False where its own is no later."""
        cursor = self.database.execute_sql(
            "UPDATE awards SET awarded_at = ?, event_number = ?, "
            "position = (SELECT coalesce(max(position), 0) + 1 FROM awards WHERE event_number = ?) "
            f"{THAT_AWARD} AND event_number > ? AND awarded_at >= ? AND revoked_at IS NULL",
            (awarded_at, event_number, event_number, *grant[:5], event_number, awarded_at),
        )
        return bool(cursor.rowcount == 1)

    def award(self, grant: Grant) -> AwardOnRecord | None:
        """What is on record of an award, None where it was never given."""
        cursor = self.database.execute_sql(
            f"SELECT event_number, position, revoked_by FROM awards {THAT_AWARD}", grant[:5]
        )
        row = cursor.fetchone()
        return None if row is None else AwardOnRecord(*row)


def open_store(path: str, *, create: bool = False, patience: float = connection.PATIENCE) -> Store:
    """Open the store at a path, migrating an older one; with `create` a missing or empty file becomes one.

    Raises `NoDatabaseError`, `ForeignDatabaseError`, `SchemaVersionError`, all before anything is written; or a
    `StoreError`.
    """
    return Store(path, open_database(path, create=create, patience=patience))
