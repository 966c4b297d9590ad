"""A range of the journal: some of its events, in order. At most a page of their places is in memory for each name."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from brabeion_cli.database.connection import Database
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, LAST_NUMBER

PAGE = 1000  # places fetched at once


class EventRange(NamedTuple):
    """Events of a user (None: all users) from `since` on and before `until`, up to number `last`."""

    user: str | None = None
    since: str = FIRST_MOMENT
    until: str = LAST_MOMENT
    last: int = LAST_NUMBER

    @property
    def whole(self) -> EventRange:
        """The whole journal, up to the same number."""
        return EventRange(last=self.last)

    def condition(self) -> tuple[str, list[Any]]:
        """An SQL condition for its events, which the query names `e`, and its parameters."""
        one_user, values = self._of_user()  # the + keeps SQLite from searching by number
        return f"e.at >= ? AND e.at < ? AND +e.number <= ?{one_user}", [self.since, self.until, self.last, *values]

    def _of_user(self) -> tuple[str, list[Any]]:
        return ("", []) if self.user is None else (' AND e."user" = ?', [self.user])

    def count(self, database: Database, names: Sequence[str] | None = None) -> int:
        """How many events (of those names)."""
        condition, values = self.condition()
        if names is None:
            return _count(database, f"SELECT count(*) FROM events e WHERE {condition}", values)
        query = f"SELECT count(*) FROM events e WHERE e.name = ? AND {condition}"
        return sum(_count(database, query, [name, *values]) for name in names)

    def names(self, database: Database) -> list[str]:
        """The names of all events that callers fired, in the whole journal."""
        found, name = [], ""
        while rows := _rows(database, "SELECT name FROM events WHERE name > ? ORDER BY name LIMIT 1", [name]):
            ((name,),) = rows
            found.append(name)
        return [name for name in found if name != BADGE_AWARDED]  # it was once a name like any other

    def numbers(self, database: Database, names: Sequence[str]) -> Iterator[int]:
        """The numbers of the events of those names, in the journal's order."""
        return (number for _, number in heapq.merge(*(self._places(database, name) for name in names)))

    def _places(self, database: Database, name: str) -> Iterator[tuple[str, int]]:
        """(at, number) of the events of a name. Two queries, because an index cannot seek a pair."""
        one_user, values = self._of_user()
        select = f"SELECT e.at, e.number FROM events e WHERE e.name = ?{one_user} AND e.number <= ? AND"
        values = [name, *values, self.last]
        same = f"{select} e.at = ? AND e.number > ? ORDER BY e.number LIMIT {PAGE}"
        later = f"{select} e.at > ? AND e.at < ? ORDER BY e.at, e.number LIMIT {PAGE}"
        at, number = self.since, 0
        while True:
            rows = _rows(database, same, [*values, at, number]) or _rows(database, later, [*values, at, self.until])
            if not rows:
                return
            yield from rows
            at, number = rows[-1]


def _count(database: Database, query: str, values: Sequence[Any]) -> int:
    ((count,),) = _rows(database, query, values)
    return int(count)


def _rows(database: Database, query: str, values: Sequence[Any]) -> list[Any]:
    return database.execute_sql(query, values).fetchall()
