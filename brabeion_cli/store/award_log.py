"""The events that awards are (`badge_awarded`), as of a point of the journal; the rows of awards are their record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import peewee

from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, AsOf, JournalEntry, order

#: revoked_by of an award that a replay took back: it was never earned, and no history shows it.
REPLAY = "replay"


class AwardLog:
    """Answers as `RecordedEvents` does; `level_name` knows what the levels of a badge are called."""

    def __init__(self, database: peewee.Database, level_name: Callable[[str, int], str | None]) -> None:
        self._database = database
        self._level_name = level_name

    def count(self, user: str, name: str, asof: AsOf) -> int:
        """How many awards the user held."""
        return int(self._rows("count(*)", user, asof)[0][0])

    def latest(self, user: str, name: str, asof: AsOf, before: str = LAST_MOMENT) -> JournalEntry | None:
        """The last award, with a moment before `before`."""
        return next(self.entries(user, name, asof, FIRST_MOMENT, before, True), None)

    def earliest(self, user: str, name: str, asof: AsOf, since: str = FIRST_MOMENT) -> JournalEntry | None:
        """The first award from `since` on."""
        return next(self.entries(user, name, asof, since, LAST_MOMENT, False), None)

    def entries(
        self, user: str, name: str, asof: AsOf, since: str, until: str, backwards: bool
    ) -> Iterator[JournalEntry]:
        """The awards, in order or backwards; those given by hand have the number 0."""
        columns = 'a.badge, a.level, a."key", a.awarded_at, a.event_number, a.position, e.id'
        entries = [
            JournalEntry(number or 0, BADGE_AWARDED, user, at, event_id, self._state(badge, level, key), position)
            for badge, level, key, at, number, position, event_id in self._rows(columns, user, asof)
            if since <= at < until
        ]
        return iter(sorted(entries, key=order, reverse=backwards))

    def holds(self, user: str, badge: str, level: int | None, asof: AsOf) -> bool:
        """Whether the user held an award of the badge (of that level)."""
        chosen = " AND a.badge = :badge" + (" AND a.level = :level" if level is not None else "") + " LIMIT 1"
        return bool(self._rows("1", user, asof, chosen, badge=badge, level=level))

    def _rows(self, columns: str, user: str, asof: AsOf, chosen: str = "", **values: Any) -> list[Any]:
        """Awards that were held: those revoked later were, those that a replay took back never."""
        rows: list[Any] = self._database.execute_sql(  # type: ignore[no-untyped-call]
            f"SELECT {columns} FROM awards a LEFT JOIN events e ON e.number = a.event_number "
            'WHERE a."user" = :user AND (a.awarded_at < :at OR (a.awarded_at = :at AND (a.event_number IS NULL '
            "OR a.event_number < :number OR (a.event_number = :number AND a.position <= :position)))) "
            "AND (a.event_number IS NULL OR a.event_number <= :known) "
            f"AND (a.revoked_at IS NULL OR (a.revoked_at > :at AND a.revoked_by <> :replay)){chosen}",
            {"user": user, "replay": REPLAY, **asof._asdict(), **values},
        ).fetchall()
        return rows

    def _state(self, badge: str, level: int, key: str) -> str:
        return award_state(badge, level, self._level_name(badge, level), key)


def award_state(badge: str, level: int, level_name: str | None, key: str) -> str:
    """The state of the event that an award is, as JSON; its user is the one who got the award."""
    return json.dumps(
        {"badge": badge, "level": level, "level_name": level_name, "key": key or None}, ensure_ascii=False
    )
