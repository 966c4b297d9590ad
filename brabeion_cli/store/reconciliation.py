"""What the rules give, against what is on record: which awards are gained, and which no event earns any longer.

It keeps its notes in temporary tables of the connection, so that memory does not grow with the journal.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli.base import Badge
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store

PAGE = 500  # awards that are entered or revoked in one transaction
NAMES = 3  # users that are named for each badge and level

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
#: On record, or new in the copy.
STANDS = """
    SELECT 1 FROM events WHERE number = ?1 AND "user" = ?2 AND (?3 IS NULL
        OR EXISTS (SELECT 1 FROM main.awards WHERE event_number = ?1 AND "user" = ?3)
        OR EXISTS (SELECT 1 FROM origins WHERE "user" = ?3 AND event = ?1))
"""


class Origin(NamedTuple):
    """What an award rests on: an event and its user; and where it is for an award of that event, who got that."""

    event: int
    user: str
    awarded: str | None


class LevelChange(NamedTuple):
    """What a replay changes in one level of a badge: users who gain it, awards that the rules no longer give."""

    badge: str
    level: int
    level_name: str
    gained: int
    stale: int
    names: list[str]


class Reconciliation:
    """With `apart` the awards are from now on a copy that only this connection sees, until `differences()`."""

    def __init__(self, store: Store, *, apart: bool) -> None:
        self._store = store
        self.apart = apart
        self.revoked: Counter[tuple[str, int]] = Counter()
        if apart:
            self._sql("PRAGMA foreign_keys = 0")  # the copy's events would have to be a copy, too
            ((statement,),) = self._sql("SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = 'awards'")
            self._sql(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
            self._sql("INSERT INTO temp.awards SELECT * FROM main.awards")
            self._sql("CREATE INDEX temp.of_event ON awards (event_number, position)")
        for statement in NOTES:
            self._sql(statement)

    def note_granted(self, grant: Grant) -> None:
        """An event earns this award, whether or not it is on record."""
        self._sql("INSERT OR IGNORE INTO granted VALUES (?, ?, ?, ?, ?)", *grant[:5])

    def note_gained(self, grant: Grant) -> None:
        """This award is new."""
        self._sql("INSERT OR IGNORE INTO gained VALUES (?, ?, ?)", grant.badge, grant.level, grant.user)

    def note_origin(self, grant: Grant, origin: Origin) -> None:
        """This award is new in the copy."""
        self._sql("INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *grant[:5], *origin)

    def stands(self, origin: Origin) -> bool:
        """Whether it is still there: events are pruned, users forgotten and renamed meanwhile."""
        return bool(self._sql(STANDS, *origin))

    def forget_granted(self) -> None:
        """Before another walk."""
        self._sql("DELETE FROM granted")

    def earned_by(self, event_number: int, *, but_for: Iterable[str]) -> list[tuple[int, Grant]]:
        """The awards that an event earned, with their positions; but for those of some badges."""
        left_out = set(but_for)
        rows = self._sql(
            'SELECT position, "user", badge, level, "key", occasion FROM awards '
            "WHERE event_number = ? AND (revoked_by IS NULL OR revoked_by <> ?)",
            event_number, REPLAY,
        )  # fmt: skip
        return [(row[0], Grant(*row[1:])) for row in rows if row[2] not in left_out]

    def suspects(self, slugs: Sequence[str], stretch: EventRange) -> set[str]:
        """The badges that have stale awards."""
        return {slug for slug, _, _ in self._counted(slugs, stretch)}

    def revoke_stale(self, slugs: Sequence[str], stretch: EventRange, now: datetime) -> bool:
        """Revoke, in the copy, awards which an event of the stretch earned once, and none earns now; whether any is."""
        query, values = self._stale_query('a."user", a.badge, a.level, a."key", a.occasion', slugs, stretch)
        cursor = self._store.database.execute_sql(
            f"UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? WHERE {KEY} IN ({query})",
            [moment(now), REPLAY, "the rules no longer give it", *values],
        )
        return bool(cursor.rowcount)

    def differences(self, *, enter: bool) -> Iterator[list[NewAward]]:
        """What the copy gained and the store has not, a page at a time, in the order of the journal; with `enter` it is
        brought into the store, and what the copy revoked is revoked there, as far as it rests on what it did.
        """
        self._sql("ALTER TABLE temp.awards RENAME TO foreseen")
        joined = f"temp.foreseen f LEFT JOIN main.awards a USING {KEY}"
        self._sql(f"CREATE TEMP TABLE lost AS SELECT f.* FROM {joined} "
                  "WHERE f.revoked_by = ? AND a.badge IS NOT NULL AND a.revoked_at IS NULL", REPLAY)  # fmt: skip
        self._sql("CREATE TEMP TABLE won AS SELECT f.*, o.event, o.event_user, o.awarded "
                  f"FROM {joined} JOIN origins o USING {KEY} WHERE f.revoked_at IS NULL "
                  "AND (a.badge IS NULL OR a.revoked_by = ?) "
                  "ORDER BY f.awarded_at, f.event_number, f.position", REPLAY)  # fmt: skip
        for rows in self._pages("lost", "event_number, revoked_at, revoked_by, revoked_because"):
            self.revoked.update((row[1], row[2]) for row in rows)
            with self._store.transaction() if enter else contextlib.nullcontext():
                for row in rows if enter else ():
                    self._sql(f"UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? WHERE {KEY} = "
                              "(?, ?, ?, ?, ?) AND event_number = ? AND revoked_at IS NULL",
                              *row[6:], *row[:6])  # fmt: skip
            yield []
        for rows in self._pages("won", "awarded_at, event, event_user, awarded"):
            with self._store.transaction() if enter else contextlib.nullcontext():
                awards = [
                    NewAward(grant, origin.event, at)
                    for grant, at, origin in ((Grant(*row[:5]), row[5], Origin(*row[6:])) for row in rows)
                    if not enter or (self.stands(origin) and self._store.add_award(grant, at, origin.event))
                ]
            for award in awards:
                self.note_gained(award.grant)
            yield awards

    def _pages(self, table: str, more: str) -> Iterator[list[Any]]:
        last = 0
        columns = f'"user", badge, level, "key", occasion, {more}, rowid'
        query = f"SELECT {columns} FROM temp.{table} WHERE rowid > ? LIMIT {PAGE}"
        while rows := self._sql(query, last):
            yield [row[:-1] for row in rows]
            last = rows[-1][-1]

    def changes(
        self, badges: Iterable[Badge], slugs: Sequence[str], stretch: EventRange, *, pruned: bool
    ) -> list[LevelChange]:
        """For each level of the badges; stale are only awards of the badges named by `slugs`: with `pruned` those that
        were revoked.
        """
        stale = self.revoked if pruned else Counter({row[:2]: row[2] for row in self._counted(slugs, stretch)})
        rows = self._sql("SELECT badge, level, count(*) FROM gained GROUP BY badge, level")
        gained = Counter({row[:2]: row[2] for row in rows})
        return [
            LevelChange(*place, badge.detail(level).name, gained[place], stale[place], self._names(*place))
            for badge in badges
            for level in range(1, len(badge.levels) + 1)
            if (place := (badge.slug, level))
        ]

    def _names(self, slug: str, level: int) -> list[str]:
        query = 'SELECT "user" FROM gained WHERE badge = ? AND level = ? ORDER BY "user" LIMIT ?'
        return [row[0] for row in self._sql(query, slug, level, NAMES)]

    def _counted(self, slugs: Sequence[str], stretch: EventRange) -> list[Any]:
        query, values = self._stale_query("a.badge, a.level, count(*)", slugs, stretch)
        return self._sql(f"{query} GROUP BY a.badge, a.level", *values)

    def _stale_query(self, columns: str, slugs: Sequence[str], stretch: EventRange) -> tuple[str, list[Any]]:
        condition, values = stretch.condition()
        stale = STALE.format(badges=", ".join("?" * len(slugs)), within=condition)
        return f"SELECT {columns} {stale}", [*slugs, *values]

    def _sql(self, query: str, *values: Any) -> list[Any]:
        return list(self._store.database.execute_sql(query, values).fetchall())
