"""The events that callers fired, asked as of a point of the journal: counted, found, walked through, by an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee

from brabeion_cli.entries import FIRST_MOMENT, LAST_MOMENT, LAST_NUMBER, AsOf, Entry

PAGE = 100  # entries that are fetched at once; each may have a state of 1 MiB

COLUMNS = 'number, name, "user", at, id, state'
OF_USER = '"user" = :user AND name = :name'
#: As of (`:at`, `:number`) and known at `:known`, of those with moments up to `:at`.
UP_TO = "number <= :known AND (at <> :at OR number <= :number)"
#: The last entries before `:before`, as of (`:at`, `:number`), of those that were known at `:known`. In two halves,
#: because an index cannot seek a pair, and a whole day may have one moment.
LATEST = f"""
    SELECT {{columns}} FROM (
        SELECT * FROM events WHERE {OF_USER} AND at = :at AND at < :before AND number <= min(:number, :known)
        ORDER BY number DESC LIMIT {{limit}}
    ) UNION ALL SELECT {{columns}} FROM (
        SELECT * FROM events WHERE {OF_USER} AND at < min(:at, :before) AND number <= :known
        ORDER BY at DESC, number DESC LIMIT {{limit}}
    ) LIMIT {{limit}}
"""
#: How many there are until the last one: as many as there were when it was recorded, and those before it that came
#: late since. These are seldom more than a few.
FEW = 64
LATE_SINCE = f"FROM events WHERE {OF_USER} AND late = 1 AND number > base.number AND number <= :known AND at < base.at"
COUNT = f"""
    SELECT base.tally, (SELECT count(*) FROM (SELECT 1 {LATE_SINCE} LIMIT {FEW + 1}))
    FROM ({LATEST.format(columns="number, at, tally", limit=1)}) base
"""
#: Where they are more: any entry may be the base, if those after it are added. Of the last few the one that was
#: recorded last has the fewest late-comers. Those after one of a time that was pruned are not all there.
COUNT_LATE = f"""
    SELECT base.tally + base.after + (SELECT count(*) {LATE_SINCE}) FROM (
        SELECT * FROM (
            SELECT number, at, tally, row_number() OVER (ORDER BY at DESC, number DESC) - 1 AS after
            FROM ({LATEST.format(columns="number, at, tally", limit=16)})
        ) WHERE after = 0 OR at >= coalesce((SELECT before FROM prunes WHERE name = :name), '')
        ORDER BY number DESC LIMIT 1
    ) base
"""
LATEST_ONE = LATEST.format(columns=COLUMNS, limit=1)


class RecordedEvents:
    """The rows of `events`."""

    def __init__(self, database: peewee.Database) -> None:
        self._database = database

    def _rows(self, sql: str, values: dict[str, Any]) -> list[Any]:
        rows: list[Any] = self._database.execute_sql(sql, values).fetchall()  # type: ignore[no-untyped-call]
        return rows

    def place(self, user: str, name: str, at: str) -> tuple[int, bool]:
        """Where a new event falls in the journal: the how-manieth of its user and name it is, in the journal's order;
        and whether it comes late, because one with a later moment is there.

        This is what counting rests on; call it in the transaction that enters the event.
        """
        last = f"SELECT at FROM events WHERE {OF_USER} ORDER BY at DESC LIMIT 1"
        rows = self._rows(last, {"user": user, "name": name})
        return (self.count(user, name, AsOf(at, LAST_NUMBER)) + 1, rows[0][0] > at) if rows else (1, False)

    def entry(self, number: int) -> Entry | None:
        """The event of that number; None where it is gone."""
        rows = self._rows(f"SELECT {COLUMNS} FROM events WHERE number = :number", {"number": number})
        return Entry(*rows[0]) if rows else None

    def prunes(self) -> dict[str, str]:
        """The names of which events were pruned, each with the moment before which they are gone."""
        return dict(self._rows("SELECT name, before FROM prunes ORDER BY name", {}))

    def last_number(self) -> int:
        """The number of the event that was recorded last; 0 where there is none."""
        return int(self._rows("SELECT coalesce(max(number), 0) FROM events", {})[0][0])

    def names(self, user: str) -> list[str]:
        """The names of all events that the user ever had."""
        names: list[str] = []
        while rows := self._rows(
            'SELECT name FROM events WHERE "user" = :user AND name > :after ORDER BY name LIMIT 1',
            {"user": user, "after": names[-1] if names else ""},
        ):
            names.append(rows[0][0])
        return names

    def count(self, user: str, name: str, asof: AsOf) -> int:
        """How many of that name; at the same cost for a hundred as for a million, where few came late."""
        values = {"user": user, "name": name, "before": LAST_MOMENT, **asof._asdict()}
        for tally, late in self._rows(COUNT, values):
            return int(tally + late if late <= FEW else self._rows(COUNT_LATE, values)[0][0])
        return 0

    def latest(self, user: str, name: str, asof: AsOf, before: str = LAST_MOMENT) -> Entry | None:
        """The last of that name, with a moment before `before`."""
        values = {"user": user, "name": name, "before": before, **asof._asdict()}
        return next((Entry(*row) for row in self._rows(LATEST_ONE, values)), None)

    def earliest(self, user: str, name: str, asof: AsOf, since: str = FIRST_MOMENT) -> Entry | None:
        """The first of that name from `since` on."""
        query = (
            f"SELECT {COLUMNS} FROM events WHERE {OF_USER} AND {UP_TO} AND at >= :since AND at < :end "
            "ORDER BY at, number LIMIT 1"
        )
        rows = self._rows(query, {"user": user, "name": name, "since": since, "end": asof.end, **asof._asdict()})
        return Entry(*rows[0]) if rows else None

    def entries(self, user: str, name: str, asof: AsOf, since: str, until: str, backwards: bool) -> Iterator[Entry]:
        """Those of that name, in order or backwards, from `since` on and before `until`."""
        # Each bound stands once, so that the index is entered where the last page ended.
        beyond, direction = ("<", "DESC") if backwards else (">", "ASC")
        select = f"SELECT {COLUMNS} FROM events WHERE {OF_USER} AND {UP_TO} AND at"
        same = f"{select} = :last AND number {beyond} :after ORDER BY number {direction} LIMIT {PAGE}"
        bound = "at >= :since" if backwards else "at < :end"
        other = f"{select} {beyond} :last AND {bound} ORDER BY at {direction}, number {direction} LIMIT {PAGE}"
        end = min(until, asof.end)
        values: dict[str, Any] = {"user": user, "name": name, "since": since, "end": end, **asof._asdict()}
        values |= {"last": end if backwards else since, "after": 0}
        while rows := self._rows(same, values) or self._rows(other, values):
            yield from (Entry(*row) for row in rows)
            values |= {"last": rows[-1][3], "after": rows[-1][0]}
