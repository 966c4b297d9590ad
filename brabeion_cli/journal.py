"""Reads the journal in its order, which is (at, number): what one user did until some point of it.

The event `badge_awarded` has no entries of its own: the rows of awards are its record.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import peewee

from brabeion_cli.events import BADGE_AWARDED

PAGE = 100  # entries that are fetched at once; each may have a state of 1 MiB
LAST_NUMBER = 2**63 - 1
FIRST_MOMENT, LAST_MOMENT = "", "~"  # before and after every moment, as text

#: revoked_by of an award that a replay took back: it was never earned, and no history shows it.
REPLAY = "replay"

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
#: recorded last has the fewest late-comers.
COUNT_LATE = f"""
    SELECT base.tally + base.after + (SELECT count(*) {LATE_SINCE}) FROM (
        SELECT number, at, tally, row_number() OVER (ORDER BY at DESC, number DESC) - 1 AS after
        FROM ({LATEST.format(columns="number, at, tally", limit=16)}) ORDER BY number DESC LIMIT 1
    ) base
"""
LATEST_ONE = LATEST.format(columns=COLUMNS, limit=1)


class Entry(NamedTuple):
    """An event in the journal. `at` is UTC text, `id` the caller's, `text` the state's JSON.

    For the event that an award is, number and id are those of the event that earned it, `position` is the award's place
    among those of that event, and `depth` counts the awards that led to it, one from the other.
    """

    number: int
    name: str
    user: str
    at: str
    id: str | None
    text: str
    position: int = 0
    depth: int = 0


def order(entry: Entry) -> tuple[str, int, int]:
    """What the journal is ordered by."""
    return entry.at, entry.number, entry.position


class AsOf(NamedTuple):
    """A point in the journal's order. Entries after it are not seen, nor those recorded after number `known`: what is
    judged later is judged with what was known when its event came.
    """

    at: str
    number: int
    position: int = 0
    known: int = LAST_NUMBER

    @property
    def end(self) -> str:
        """After its moment, before the next one."""
        return self.at + LAST_MOMENT


def place(database: peewee.Database, user: str, name: str, at: str) -> tuple[int, bool]:
    """Where a new event falls in the journal: the how-manieth of its user and name it is, in the journal's order; and
    whether it comes late, because one with a later moment is there.

    This is what counting rests on; call it in the transaction that enters the event.
    """
    journal = Journal(database)
    return journal.count(user, name, AsOf(at, LAST_NUMBER)) + 1, journal.has_later(user, name, at)


class Journal:
    """The entries of a database, and what the badges that were awarded are called."""

    def __init__(
        self,
        database: peewee.Database,
        timezone: str = "UTC",
        level_name: Callable[[str, int], str | None] = lambda badge, level: None,
    ) -> None:
        self.timezone = timezone
        self._database = database
        self._level_name = level_name

    def _rows(self, sql: str, values: dict[str, Any]) -> list[Any]:
        rows: list[Any] = self._database.execute_sql(sql, values).fetchall()  # type: ignore[no-untyped-call]
        return rows

    def entry(self, number: int) -> Entry:
        """The event of that number."""
        return Entry(*self._rows(f"SELECT {COLUMNS} FROM events WHERE number = :number", {"number": number})[0])

    def last_number(self) -> int:
        """The number of the event that was recorded last; 0 where there is none."""
        return int(self._rows("SELECT coalesce(max(number), 0) FROM events", {})[0][0])

    def count(self, user: str, name: str, asof: AsOf) -> int:
        """How many entries of that name; at the same cost for a hundred as for a million, where few came late."""
        if name == BADGE_AWARDED:
            return int(self._award_rows(user, asof, columns="count(*)")[0][0])
        values = {"user": user, "name": name, "before": LAST_MOMENT, **asof._asdict()}
        for tally, late in self._rows(COUNT, values):
            return int(tally + late if late <= FEW else self._rows(COUNT_LATE, values)[0][0])
        return 0

    def has_later(self, user: str, name: str, at: str) -> bool:
        """Whether there is an entry of that name with a later moment."""
        values = {"user": user, "name": name, "at": at}
        return bool(self._rows(f"SELECT 1 FROM events WHERE {OF_USER} AND at > :at LIMIT 1", values))

    def latest(self, user: str, name: str, asof: AsOf, before: str = LAST_MOMENT) -> Entry | None:
        """The last entry of that name, with a moment before `before`."""
        if name == BADGE_AWARDED:
            earlier = [award for award in self._awards(user, asof) if award.at < before]
            return earlier[-1] if earlier else None
        values = {"user": user, "name": name, "before": before, **asof._asdict()}
        return next((Entry(*row) for row in self._rows(LATEST_ONE, values)), None)

    def entries(
        self,
        user: str,
        names: Sequence[str],
        asof: AsOf,
        since: str = FIRST_MOMENT,
        until: str = LAST_MOMENT,
        *,
        backwards: bool = False,
    ) -> Iterator[Entry]:
        """The entries of those names, in order or backwards, from `since` on and before `until`."""
        each = (self._of_name(user, name, asof, since, until, backwards) for name in dict.fromkeys(names))
        return heapq.merge(*each, key=order, reverse=backwards)

    def _of_name(
        self, user: str, name: str, asof: AsOf, since: str, until: str, backwards: bool = False
    ) -> Iterator[Entry]:
        if name == BADGE_AWARDED:
            awards = [award for award in self._awards(user, asof) if since <= award.at < until]
            yield from reversed(awards) if backwards else awards
            return
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

    def earliest(self, user: str, name: str, asof: AsOf, since: str = FIRST_MOMENT) -> Entry | None:
        """The first entry of that name from `since` on."""
        if name == BADGE_AWARDED:
            return next(self._of_name(user, name, asof, since, LAST_MOMENT), None)
        query = (
            f"SELECT {COLUMNS} FROM events WHERE {OF_USER} AND {UP_TO} AND at >= :since AND at < :end "
            "ORDER BY at, number LIMIT 1"
        )
        rows = self._rows(query, {"user": user, "name": name, "since": since, "end": asof.end, **asof._asdict()})
        return Entry(*rows[0]) if rows else None

    def names(self, user: str) -> list[str]:
        """The names of all events that the user ever had."""
        names: list[str] = []
        while rows := self._rows(
            'SELECT name FROM events WHERE "user" = :user AND name > :after ORDER BY name LIMIT 1',
            {"user": user, "after": names[-1] if names else ""},
        ):
            names.append(rows[0][0])
        return names

    def holds(self, user: str, badge: str, level: int | None, asof: AsOf) -> bool:
        """Whether the user held an award of the badge (of that level)."""
        return bool(self._award_rows(user, asof, badge, level, limit=1))

    def _awards(self, user: str, asof: AsOf) -> list[Entry]:
        """The awards of a user as entries; those given by hand have the number 0."""
        return sorted(
            (
                Entry(number or 0, BADGE_AWARDED, user, at, event_id, self._state(badge, level, key), position)
                for badge, level, key, at, number, position, event_id in self._award_rows(user, asof)
            ),
            key=order,
        )

    def _award_rows(
        self,
        user: str,
        asof: AsOf,
        badge: str | None = None,
        level: int | None = None,
        limit: int = -1,
        columns: str = 'a.badge, a.level, a."key", a.awarded_at, a.event_number, a.position, e.id',
    ) -> list[Any]:
        """Awards that were held: those revoked later were, those that a replay took back never."""
        return self._rows(
            f"SELECT {columns} FROM awards a LEFT JOIN events e ON e.number = a.event_number "
            'WHERE a."user" = :user AND (a.awarded_at < :at OR (a.awarded_at = :at AND (a.event_number IS NULL '
            "OR a.event_number < :number OR (a.event_number = :number AND a.position <= :position)))) "
            "AND (a.event_number IS NULL OR a.event_number <= :known) "
            "AND (a.revoked_at IS NULL OR (a.revoked_at > :at AND a.revoked_by <> :replay))"
            + (" AND a.badge = :badge" if badge is not None else "")
            + (" AND a.level = :level" if level is not None else "")
            + " LIMIT :limit",
            {"user": user, "badge": badge, "level": level, "replay": REPLAY, "limit": limit, **asof._asdict()},
        )

    def _state(self, badge: str, level: int, key: str) -> str:
        return award_state(badge, level, self._level_name(badge, level), key)


def award_state(badge: str, level: int, level_name: str | None, key: str) -> str:
    """The state of the event that an award is, as JSON; its user is the one who got the award."""
    return json.dumps(
        {"badge": badge, "level": level, "level_name": level_name, "key": key or None}, ensure_ascii=False
    )
