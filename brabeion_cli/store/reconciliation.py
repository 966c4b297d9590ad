"""Reconciliation: compares what the rules give with what is on record.

It finds the awards that are gained, and the **stale** ones, which no event earns any longer. Its notes are in temporary
tables of the connection, so that memory does not grow with the journal.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from brabeion_cli.base import Badge
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.store.award_changes import EarnedAward, LevelChange, LevelPlace, LostAward, Origin, WonAward
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store

R = TypeVar("R")

PAGE = 500  # awards entered or revoked in one transaction
NAMES = 3  # users named for each badge and level

KEY = '("user", badge, level, "key", occasion)'
NOTES = (
    'CREATE TEMP TABLE granted ("user" TEXT, badge TEXT, level INTEGER, "key" TEXT, occasion INTEGER, '
    'PRIMARY KEY ("user", badge, level, "key", occasion)) WITHOUT ROWID',
    'CREATE TEMP TABLE gained (badge TEXT, level INTEGER, "user" TEXT, '
    'PRIMARY KEY (badge, level, "user")) WITHOUT ROWID',
    'CREATE TEMP TABLE origins ("user" TEXT, badge TEXT, level INTEGER, "key" TEXT, occasion INTEGER, event INTEGER, '
    'event_user TEXT, awarded TEXT, PRIMARY KEY ("user", badge, level, "key", occasion)) WITHOUT ROWID',
)
STALE = """
    FROM awards a JOIN events e ON e.number = a.event_number
    WHERE a.revoked_at IS NULL AND a.badge IN ({badges}) AND {within} AND NOT EXISTS (
        SELECT 1 FROM granted g WHERE g."user" = a."user" AND g.badge = a.badge AND g.level = a.level
        AND g."key" = a."key" AND g.occasion = a.occasion
    )
"""
#: The event is there and has that user; the award that it is about, if any, is on record or new in the copy.
STANDS = """
    SELECT 1 FROM events WHERE number = ?1 AND "user" = ?2 AND (?3 IS NULL
        OR EXISTS (SELECT 1 FROM main.awards WHERE event_number = ?1 AND "user" = ?3)
        OR EXISTS (SELECT 1 FROM origins WHERE "user" = ?3 AND event = ?1))
"""


class Reconciliation:
    """Notes what events earn while a replay walks through the journal, and finds the changes.

    With `on_copy`, this connection works on its own copy of the awards until `differences()` is called.
    """

    def __init__(self, store: Store, *, on_copy: bool) -> None:
        self._store = store
        self.on_copy = on_copy
        self.revoked: Counter[LevelPlace] = Counter()
        if on_copy:
            self._sql("PRAGMA foreign_keys = 0")  # they would need a copy of the events, too
            ((statement,),) = self._sql("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = 'awards'")
            self._sql(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
            self._sql("INSERT INTO temp.awards SELECT * FROM main.awards")
            self._sql("CREATE INDEX temp.of_event ON awards (event_number, position)")
        for statement in NOTES:
            self._sql(statement)

    def note_granted(self, grant: Grant) -> None:
        """Note that an event earns this award, whether or not it is on record."""
        self._sql("INSERT OR IGNORE INTO granted VALUES (?, ?, ?, ?, ?)", *grant.identity)

    def note_gained(self, grant: Grant) -> None:
        """Note that this award is new."""
        self._sql("INSERT OR IGNORE INTO gained VALUES (?, ?, ?)", grant.slug, grant.level, grant.user)

    def note_origin(self, grant: Grant, origin: Origin) -> None:
        """Note that this award is new in the copy, and what it rests on."""
        self._sql("INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *grant.identity, *origin)

    def stands(self, origin: Origin) -> bool:
        """Whether an origin is still there. Events may be pruned, and users forgotten or renamed, during a replay."""
        return bool(self._sql(STANDS, *origin))

    def forget_granted(self) -> None:
        """Forget what events earn. Call it before another walk."""
        self._sql("DELETE FROM granted")

    def earned_by(self, event_number: int, *, but_for: Iterable[str]) -> list[EarnedAward]:
        """The awards on record that an event earned, except those of the badges `but_for`."""
        left_out = set(but_for)
        rows = self._sql(
            'SELECT position, "user", badge, level, "key", occasion FROM awards '
            "WHERE event_number = ? AND (revoked_by IS NULL OR revoked_by <> ?)",
            event_number, REPLAY,
        )  # fmt: skip
        earned = (EarnedAward(position, Grant(*identity)) for position, *identity in rows)
        return [award for award in earned if award.grant.slug not in left_out]

    def suspects(self, slugs: Sequence[str], events: EventRange) -> set[str]:
        """Which of the badges `slugs` have stale awards."""
        return {place.slug for place in self._counted(slugs, events)}

    def revoke_stale(self, slugs: Sequence[str], events: EventRange, now: datetime) -> bool:
        """Revoke, in the copy, the stale awards of these badges and events. Returns whether there were any."""
        query, values = self._stale_query('a."user", a.badge, a.level, a."key", a.occasion', slugs, events)
        cursor = self._store.database.execute_sql(
            f"UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? WHERE {KEY} IN ({query})",
            [moment(now), REPLAY, "the rules no longer give it", *values],
        )
        return bool(cursor.rowcount)

    def differences(self, *, enter: bool) -> Iterator[list[NewAward]]:
        """Compare the copy with the store, and yield the new awards a page at a time, in the journal's order.

        It yields an empty list for each page of revoked awards. With `enter`, the store is changed, too: awards are
        revoked and entered if they still rest on the same event.
        """
        self._sql("ALTER TABLE temp.awards RENAME TO foreseen")
        joined = f"temp.foreseen f LEFT JOIN main.awards a USING {KEY}"
        self._sql(f"CREATE TEMP TABLE lost AS SELECT f.* FROM {joined} "
                  "WHERE f.revoked_by = ? AND a.badge IS NOT NULL AND a.revoked_at IS NULL", REPLAY)  # fmt: skip
        self._sql("CREATE TEMP TABLE won AS SELECT f.*, o.event, o.event_user, o.awarded "
                  f"FROM {joined} JOIN origins o USING {KEY} WHERE f.revoked_at IS NULL "
                  "AND (a.badge IS NULL OR a.revoked_by = ?) "
                  "ORDER BY f.awarded_at, f.event_number, f.position", REPLAY)  # fmt: skip
        for lost in self._pages("lost", "event_number, revoked_at, revoked_by, revoked_because", LostAward):
            with self._store.transaction() if enter else contextlib.nullcontext():
                for each in lost:
                    if not enter or self._revoke(each):
                        self.revoked[LevelPlace(each.slug, each.level)] += 1
            yield []
        for won in self._pages("won", "awarded_at, event, event_user, awarded", WonAward):
            awards = []
            with self._store.transaction() if enter else contextlib.nullcontext():
                for candidate in won:
                    if not enter or self._enter(candidate):
                        awards.append(NewAward(candidate.grant, candidate.event, candidate.awarded_at))
            for award in awards:
                self.note_gained(award.grant)
            yield awards

    def _revoke(self, lost: LostAward) -> bool:
        """Whether it was revoked: meanwhile another command may have revoked it, or dated it back."""
        cursor = self._store.database.execute_sql(
            f"UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? WHERE {KEY} = (?, ?, ?, ?, ?) "
            "AND event_number = ? AND revoked_at IS NULL",
            (
                lost.revoked_at, lost.revoked_by, lost.revoked_because, lost.user, lost.slug, lost.level, lost.key,
                lost.occasion, lost.event_number,
            ),
        )  # fmt: skip
        return cursor.rowcount == 1

    def _enter(self, won: WonAward) -> bool:
        return self.stands(won.origin) and self._store.awards.add(won.grant, won.awarded_at, won.event)

    def _pages(self, table: str, more: str, row_type: Callable[..., R]) -> Iterator[list[R]]:
        last = 0
        columns = f'rowid, "user", badge, level, "key", occasion, {more}'
        query = f"SELECT {columns} FROM temp.{table} WHERE rowid > ? LIMIT {PAGE}"
        while rows := self._sql(query, last):
            page = []
            for rowid, *values in rows:
                page.append(row_type(*values))
                last = rowid
            yield page

    def changes(
        self, badges: Iterable[Badge], slugs: Sequence[str], events: EventRange, *, pruned: bool
    ) -> list[LevelChange]:
        """The change in each level of the badges.

        Stale awards are counted for the badges `slugs` only. With `pruned`, the awards that were revoked are counted
        instead.
        """
        stale = self.revoked if pruned else self._counted(slugs, events)
        gained = _by_level(self._sql("SELECT badge, level, count(*) FROM gained GROUP BY badge, level"))
        changes = []
        for badge in badges:
            for level in range(1, len(badge.levels) + 1):
                place = LevelPlace(badge.slug, level)
                name, names = badge.detail(level).name, self._names(place)
                changes.append(LevelChange(badge.slug, level, name, gained[place], stale[place], names))
        return changes

    def _names(self, place: LevelPlace) -> list[str]:
        query = 'SELECT "user" FROM gained WHERE badge = ? AND level = ? ORDER BY "user" LIMIT ?'
        return [user for (user,) in self._sql(query, *place, NAMES)]

    def _counted(self, slugs: Sequence[str], events: EventRange) -> Counter[LevelPlace]:
        """How many awards of each level are stale, for the badges `slugs`."""
        query, values = self._stale_query("a.badge, a.level, count(*)", slugs, events)
        return _by_level(self._sql(f"{query} GROUP BY a.badge, a.level", *values))

    def _stale_query(self, columns: str, slugs: Sequence[str], events: EventRange) -> tuple[str, list[Any]]:
        condition, values = events.condition()
        stale = STALE.format(badges=", ".join("?" * len(slugs)), within=condition)
        return f"SELECT {columns} {stale}", [*slugs, *values]

    def _sql(self, query: str, *values: Any) -> list[Any]:
        return list(self._store.database.execute_sql(query, values).fetchall())


def _by_level(rows: Iterable[tuple[str, int, int]]) -> Counter[LevelPlace]:
    return Counter({LevelPlace(slug, level): count for slug, level, count in rows})
