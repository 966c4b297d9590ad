"""The event log: the events that callers fired, and the place of each among those of its user and name.

Questions are answered as of a point in the journal. Indexes count, find and list the events.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from brabeion_cli.database import late_counts
from brabeion_cli.database.connection import Database
from brabeion_cli.database.late_counts import EACH_LENGTH, LENGTHS
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, LAST_NUMBER, AsOf, JournalEntry

PAGE = 100  # entries fetched at once; the state of each may have 1 MiB

INSERT_EVENT = (
    'INSERT INTO events (name, "user", at, id, state, tally, late, late_tally) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
COLUMNS = 'number, name, "user", at, id, state'
OF_USER = '"user" = :user AND name = :name'
#: True for events that are known at `:known` and not after (`:at`, `:number`). Only for events up to moment `:at`.
UP_TO = "number <= :known AND (at <> :at OR number <= :number)"
#: The last entries before `:before`, as of (`:at`, `:number`), among those that were known at `:known`. In two halves,
#: because an index cannot seek a pair, and the events of a whole day may have the same moment.
LATEST = f"""
    SELECT {{columns}} FROM (
        SELECT * FROM events WHERE {OF_USER} AND at = :at AND at < :before AND number <= min(:number, :known)
        ORDER BY number DESC LIMIT {{limit}}
    ) UNION ALL SELECT {{columns}} FROM (
        SELECT * FROM events WHERE {OF_USER} AND at < min(:at, :before) AND number <= :known
        ORDER BY at DESC, number DESC LIMIT {{limit}}
    ) LIMIT {{limit}}
"""
FEW_SINCE = 4
#: How many late events fall before the event `base` but were recorded after it. NULL if more than `FEW_SINCE` late
#: events were recorded after it.
LATE_SINCE = f"""
    SELECT CASE WHEN count(*) <= {FEW_SINCE} THEN coalesce(sum(at < base.at), 0) END FROM (
        SELECT at FROM events INDEXED BY event_late
        WHERE {OF_USER} AND late = 1 AND number > base.number AND number <= :known LIMIT {FEW_SINCE + 1}
    )
"""
#: How many late events there are up to (`:at`, `:number`), without those recorded after `:known`. If `late_counts` has
#: them: those of whole months before the month of `:at`, of whole days in its month, and so on; those of its second are
#: counted one by one.
_PARTS = ", ".join(map(str, itertools.pairwise((0, *LENGTHS))))
_LATE = f"WHERE {OF_USER} AND late = 1 AND at <= :at AND (at <> :at OR number <= :number)"
LATE = f"""
    SELECT CASE WHEN EXISTS (SELECT 1 FROM late_counts WHERE {OF_USER}) THEN (
        SELECT coalesce(sum(counts.events), 0)
        FROM (SELECT column1 AS outer, column2 AS inner FROM (VALUES {_PARTS})) CROSS JOIN late_counts AS counts
        WHERE {OF_USER} AND length = inner AND moment >= substr(:at, 1, outer) AND moment < substr(:at, 1, inner)
    ) + (
        SELECT count(*) FROM events INDEXED BY event_user_name_at {_LATE} AND at >= substr(:at, 1, {LENGTHS[-1]})
    ) ELSE (
        SELECT count(*) FROM events INDEXED BY event_late {_LATE}
    ) END - (
        SELECT count(*) FROM events INDEXED BY event_late {_LATE} AND number > :known
    )
"""
#: How many events came in time, up to the last one and as counted when it was recorded; and how many came late.
COUNT = f"""
    SELECT tally - late_tally, coalesce(late_tally + ({LATE_SINCE}), ({LATE}))
    FROM ({LATEST.format(columns="number, at, tally, late_tally", limit=1)}) base
"""
#: Adds a late event to `late_counts`, if that counts the late events of its user and name. `START_LATE_COUNTS` starts
#: to count them once they are many. A trigger would do this too, but it would also slow down events that come in time.
ADD_TO_LATE_COUNTS = f"""
    INSERT INTO late_counts SELECT :user, :name, length, substr(:at, 1, length), 1 FROM {EACH_LENGTH}
    WHERE EXISTS (SELECT 1 FROM late_counts WHERE {OF_USER}) ON CONFLICT DO UPDATE SET events = events + 1
"""
_LATE_ONE = f"SELECT 1 FROM events INDEXED BY event_late WHERE {OF_USER} AND late = 1"
_ARE_MANY = f"(SELECT count(*) FROM ({_LATE_ONE} LIMIT :few + 1)) > :few"
START_LATE_COUNTS = f"INSERT INTO late_counts {late_counts.counted(OF_USER, _ARE_MANY)}"
NEXT_NAME = 'SELECT name FROM events WHERE "user" = :user AND name > :after ORDER BY name LIMIT 1'
LATEST_ONE = LATEST.format(columns=COLUMNS, limit=1)


class Place(NamedTuple):
    """The place of an event among those of its user and name. Counting relies on it.

    `tally` is how many events there are up to it, in the journal's order. `late` says whether an event with a later
    moment was recorded before it. `late_tally` is how many events of the tally are late.
    """

    tally: int
    late: bool
    late_tally: int


class Latest:
    """The latest event of a user and name: its moment, the events up to it, and how many of those are late.

    It is changed in place. A new object for each event would make `ingest` one percent slower.
    """

    __slots__ = ("at", "late_tally", "tally")

    def __init__(self, at: str, tally: int, late_tally: int) -> None:
        self.at, self.tally, self.late_tally = at, tally, late_tally


class EventLog:
    """The rows of `events`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(self, sql: str, values: dict[str, Any]) -> list[Any]:
        return self._database.execute_sql(sql, values).fetchall()

    def add(self, event: Event, place: Place | None = None) -> int | None:
        """Record an event. Returns its number, or None if its id is there already.

        `place` is what `place()` returned for it, if the caller has called that.
        """
        tally, late, late_tally = place or self.place(event.user, event.name, event.at)
        cursor = self._database.execute_sql(
            INSERT_EVENT, (event.name, event.user, event.at, event.id, event.state_json, tally, late, late_tally)
        )
        if cursor.rowcount != 1:
            return None
        if late:
            self._count_late(event.user, event.name, event.at)
        return cursor.lastrowid

    def place(self, user: str, name: str, at: str, latest: Latest | None = None) -> Place:
        """The place of a new event. `latest` is the latest one of its user and name, if the caller knows it.

        Call it in the transaction that records the event.
        """
        if latest is not None and at >= latest.at:
            return Place(latest.tally + 1, False, latest.late_tally)
        last_at = self._last_moment(user, name) if latest is None else latest.at
        if last_at is None:
            return Place(1, False, 0)
        tally, late_tally = self._tally(user, name, AsOf(at, LAST_NUMBER))
        late = last_at > at
        return Place(tally + 1, late, late_tally + late)

    def _last_moment(self, user: str, name: str) -> str | None:
        last = f"SELECT at FROM events WHERE {OF_USER} ORDER BY at DESC LIMIT 1"
        return next((at for (at,) in self._rows(last, {"user": user, "name": name})), None)

    def _count_late(self, user: str, name: str, at: str) -> None:
        """Count a late event that was just recorded."""
        values = {"user": user, "name": name, "at": at, "few": late_counts.MAX_UNCOUNTED}
        if self._database.execute_sql(ADD_TO_LATE_COUNTS, values).rowcount == 0:
            self._database.execute_sql(START_LATE_COUNTS, values)

    def has_id(self, id: str) -> bool:
        """Whether an event with that id is in the journal."""
        return self._database.execute_sql("SELECT 1 FROM events WHERE id = ?", (id,)).fetchone() is not None

    def by_id(self, id: str) -> JournalEntry | None:
        """The event with that id, or None."""
        rows = self._rows(f"SELECT {COLUMNS} FROM events WHERE id = :id", {"id": id})
        return JournalEntry(*rows[0]) if rows else None

    def entry(self, number: int) -> JournalEntry | None:
        """The event with that number, or None if it was deleted."""
        rows = self._rows(f"SELECT {COLUMNS} FROM events WHERE number = :number", {"number": number})
        return JournalEntry(*rows[0]) if rows else None

    def prunes(self) -> dict[str, str]:
        """The names of which events were pruned, each with the moment before which they were deleted."""
        return dict(self._rows("SELECT name, before FROM prunes ORDER BY name", {}))

    def last_number(self) -> int:
        """The number of the event that was recorded last, or 0 if there is none."""
        ((number,),) = self._rows("SELECT coalesce(max(number), 0) FROM events", {})
        return int(number)

    def names(self, user: str) -> list[str]:
        """The names of all events of the user in the journal."""
        names: list[str] = []
        values = {"user": user, "after": ""}
        while rows := self._rows(NEXT_NAME, values):
            ((name,),) = rows
            names.append(name)
            values["after"] = name
        return names

    def count(self, user: str, name: str, asof: AsOf) -> int:
        """How many events of that name. A million cost the same as a hundred."""
        events, _ = self._tally(user, name, asof)
        return events

    def _tally(self, user: str, name: str, asof: AsOf) -> tuple[int, int]:
        """How many events of that name, and how many of them are late."""
        values = {"user": user, "name": name, "before": LAST_MOMENT, **asof._asdict()}
        ((in_time, late),) = self._rows(COUNT, values) or [(0, 0)]
        return in_time + late, late

    def latest(self, user: str, name: str, asof: AsOf, before: str = LAST_MOMENT) -> JournalEntry | None:
        """The last event of that name with a moment before `before`, or None."""
        values = {"user": user, "name": name, "before": before, **asof._asdict()}
        return next((JournalEntry(*row) for row in self._rows(LATEST_ONE, values)), None)

    def earliest(self, user: str, name: str, asof: AsOf, since: str = FIRST_MOMENT) -> JournalEntry | None:
        """The first event of that name from `since` on, or None."""
        query = (
            f"SELECT {COLUMNS} FROM events WHERE {OF_USER} AND {UP_TO} AND at >= :since AND at < :end "
            "ORDER BY at, number LIMIT 1"
        )
        rows = self._rows(query, {"user": user, "name": name, "since": since, "end": asof.end, **asof._asdict()})
        return JournalEntry(*rows[0]) if rows else None

    def entries(
        self, user: str, name: str, asof: AsOf, since: str, until: str, backwards: bool
    ) -> Iterator[JournalEntry]:
        """The events of that name from `since` on and before `until`, in order or backwards."""
        # Each bound is given only once, so that the index starts where the last page ended.
        beyond, direction = ("<", "DESC") if backwards else (">", "ASC")
        select = f"SELECT {COLUMNS} FROM events WHERE {OF_USER} AND {UP_TO} AND at"
        same = f"{select} = :last AND number {beyond} :after ORDER BY number {direction} LIMIT {PAGE}"
        bound = "at >= :since" if backwards else "at < :end"
        other = f"{select} {beyond} :last AND {bound} ORDER BY at {direction}, number {direction} LIMIT {PAGE}"
        end = min(until, asof.end)
        values: dict[str, Any] = {"user": user, "name": name, "since": since, "end": end, **asof._asdict()}
        values |= {"last": end if backwards else since, "after": 0}
        while rows := self._rows(same, values) or self._rows(other, values):
            for row in rows:
                entry = JournalEntry(*row)
                yield entry
            values |= {"last": entry.at, "after": entry.number}
