"""The award log: who was awarded what. It decides whether an award is new, held or revoked.

It also answers questions as of a point in the journal, because each award is an event (`badge_awarded`) for badges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from brabeion_cli.database.connection import Database
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import OutcomeKind
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, AsOf, JournalEntry, order

#: `revoked_by` of an award that a replay took back. It counts as never earned, so no history shows it.
REPLAY = "replay"

INSERT_AWARD = (
    'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, event_number, given_by, reason, position) '
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
    "(SELECT coalesce(max(position), 0) + (?7 IS NOT NULL) FROM awards WHERE event_number = ?7)) "
    'ON CONFLICT ("user", badge, level, "key", occasion) DO UPDATE SET awarded_at = excluded.awarded_at, '
    "event_number = excluded.event_number, given_by = excluded.given_by, reason = excluded.reason, "
    "position = excluded.position, revoked_at = NULL, revoked_by = NULL, revoked_because = NULL "
    f"WHERE awards.revoked_by = '{REPLAY}'"  # an award that a replay took back can be earned again
)
THAT_AWARD = 'WHERE "user" = ? AND badge = ? AND level = ? AND "key" = ? AND occasion = ?'


class AwardOnRecord(NamedTuple):
    """An award on record.

    `event_number` is the event that earned it (None: by hand), `position` its place among the awards of that event, and
    `revoked_by` who revoked it (None: nobody).
    """

    event_number: int | None
    position: int
    revoked_by: str | None


class AwardLog:
    """The rows of `awards`. `level_name` returns the name of a badge's level."""

    def __init__(
        self, database: Database, level_name: Callable[[str, int], str | None] = lambda slug, level: None
    ) -> None:
        self._database = database
        self._level_name = level_name

    def enter(
        self,
        grant: Grant,
        awarded_at: str,
        event_number: int | None,
        given_by: str | None = None,
        reason: str | None = None,
    ) -> OutcomeKind:
        """Enter an award. Returns whether it is new (awarded), held or revoked.

        The table's primary key decides, not a query before the insert. An implied award that is revoked counts as held.
        """
        if self.add(grant, awarded_at, event_number, given_by, reason):
            return OutcomeKind.AWARDED
        on_record = None if grant.implied else self.get(grant)
        revoked = on_record is not None and on_record.revoked_by is not None
        return OutcomeKind.REVOKED if revoked else OutcomeKind.HELD

    def add(
        self,
        grant: Grant,
        awarded_at: str,
        event_number: int | None,
        given_by: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """Enter an award. Returns True if it is new, False if it is on record: held, or revoked by a person."""
        cursor = self._database.execute_sql(INSERT_AWARD, (*grant.identity, awarded_at, event_number, given_by, reason))
        return cursor.rowcount == 1

    def date_back(self, grant: Grant, awarded_at: str, event_number: int) -> bool:
        """Move a held award to an earlier event, which earns it too.

        Returns False, and changes nothing, unless the award's own event was recorded later and is not dated earlier.
        """
        cursor = self._database.execute_sql(
            "UPDATE awards SET awarded_at = ?, event_number = ?, "
            "position = (SELECT coalesce(max(position), 0) + 1 FROM awards WHERE event_number = ?) "
            f"{THAT_AWARD} AND event_number > ? AND awarded_at >= ? AND revoked_at IS NULL",
            (awarded_at, event_number, event_number, *grant.identity, event_number, awarded_at),
        )
        return cursor.rowcount == 1

    def get(self, grant: Grant) -> AwardOnRecord | None:
        """What is on record of an award, or None if it was never given."""
        row = self._database.execute_sql(
            f"SELECT event_number, position, revoked_by FROM awards {THAT_AWARD}", grant.identity
        ).fetchone()
        return None if row is None else AwardOnRecord(*row)

    def is_on_record(self, user: str, slug: str, level: int | None, key: str | None) -> bool:
        """Whether an award of the badge (of that level, with that key) was ever given to the user."""
        chosen, values = _chosen(user, slug, level, key)
        return self._database.execute_sql(f"SELECT 1 FROM awards {chosen} LIMIT 1", values).fetchone() is not None

    def has_any(self) -> bool:
        """Whether anybody was ever given an award."""
        return self._database.execute_sql("SELECT 1 FROM awards LIMIT 1").fetchone() is not None

    def revoke(
        self, user: str, slug: str, level: int | None, key: str | None, *, at: str, by: str, because: str
    ) -> list[Grant]:
        """Revoke a user's awards of a badge (of that level, with that key). Returns those that were held until now."""
        chosen, values = _chosen(user, slug, level, key)
        rows = self._database.execute_sql(
            "UPDATE awards SET revoked_at = ?, revoked_by = ?, revoked_because = ? "
            f'{chosen} AND revoked_at IS NULL RETURNING level, "key", occasion',
            (at, by, because, *values),
        ).fetchall()
        return [Grant(user, slug, level, key, occasion) for level, key, occasion in sorted(rows)]

    def lowest_occasion(self, user: str, slug: str) -> int:
        """The lowest occasion of a user's awards of a badge, or 0 if all are higher."""
        query = 'SELECT min(0, coalesce(min(occasion), 0)) FROM awards WHERE "user" = ? AND badge = ?'
        (lowest,) = self._database.execute_sql(query, (user, slug)).fetchone()
        return int(lowest)

    def count(self, user: str, name: str, asof: AsOf) -> int:
        """How many awards the user held."""
        ((count,),) = self._rows("count(*)", user, asof)
        return int(count)

    def latest(self, user: str, name: str, asof: AsOf, before: str = LAST_MOMENT) -> JournalEntry | None:
        """The last award with a moment before `before`, or None."""
        return next(self.entries(user, name, asof, FIRST_MOMENT, before, True), None)

    def earliest(self, user: str, name: str, asof: AsOf, since: str = FIRST_MOMENT) -> JournalEntry | None:
        """The first award from `since` on, or None."""
        return next(self.entries(user, name, asof, since, LAST_MOMENT, False), None)

    def entries(
        self, user: str, name: str, asof: AsOf, since: str, until: str, backwards: bool
    ) -> Iterator[JournalEntry]:
        """The awards from `since` on and before `until`, in order or backwards. Those given by hand have number 0."""
        columns = 'a.badge, a.level, a."key", a.awarded_at, a.event_number, a.position, e.id'
        entries = [
            JournalEntry(
                number or 0,
                BADGE_AWARDED,
                user,
                at,
                event_id,
                award_state(slug, level, self._level_name(slug, level), key),
                position,
            )
            for slug, level, key, at, number, position, event_id in self._rows(columns, user, asof)
            if since <= at < until
        ]
        return iter(sorted(entries, key=order, reverse=backwards))

    def holds(self, user: str, slug: str, level: int | None, asof: AsOf) -> bool:
        """Whether the user held an award of the badge (of exactly that level)."""
        chosen = " AND a.badge = :badge" + (" AND a.level = :level" if level is not None else "") + " LIMIT 1"
        return bool(self._rows("1", user, asof, chosen, badge=slug, level=level))

    def _rows(self, columns: str, user: str, asof: AsOf, chosen: str = "", **values: Any) -> list[Any]:
        """Awards that were held then. One that was revoked later counts; one that a replay took back never does."""
        return self._database.execute_sql(
            f"SELECT {columns} FROM awards a LEFT JOIN events e ON e.number = a.event_number "
            'WHERE a."user" = :user AND (a.awarded_at < :at OR (a.awarded_at = :at AND (a.event_number IS NULL '
            "OR a.event_number < :number OR (a.event_number = :number AND a.position <= :position)))) "
            "AND (a.event_number IS NULL OR a.event_number <= :known) "
            f"AND (a.revoked_at IS NULL OR (a.revoked_at > :at AND a.revoked_by <> :replay)){chosen}",
            {"user": user, "replay": REPLAY, **asof._asdict(), **values},
        ).fetchall()


def _chosen(user: str, slug: str, level: int | None, key: str | None) -> tuple[str, list[Any]]:
    """A WHERE clause for the awards of a user and badge (of that level, with that key), and its parameters."""
    chosen = {'"user"': user, "badge": slug, "level": level, '"key"': key}
    given = {column: value for column, value in chosen.items() if value is not None}
    return "WHERE " + " AND ".join(f"{column} = ?" for column in given), [*given.values()]


def award_state(slug: str, level: int, level_name: str | None, key: str) -> str:
    """An award as the state of its `badge_awarded` event, in JSON. The event's user is who got the award."""
    return json.dumps({"badge": slug, "level": level, "level_name": level_name, "key": key or None}, ensure_ascii=False)
