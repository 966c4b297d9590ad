"""A user's journal as of a point in its order, (at, number): the events that callers fired, and the awards."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from brabeion_cli.database.connection import Database
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, AsOf, JournalEntry, order
from brabeion_cli.store.award_log import AwardLog
from brabeion_cli.store.event_log import EventLog


class Journal:
    """Answers questions about events of several names. `timezone` decides when days begin, unless a badge does."""

    def __init__(
        self,
        database: Database,
        timezone: str = "UTC",
        level_name: Callable[[str, int], str | None] = lambda badge, level: None,
    ) -> None:
        self.timezone = timezone
        self.events = EventLog(database)
        self.awards = AwardLog(database, level_name)

    def _of(self, name: str) -> EventLog | AwardLog:
        return self.awards if name == BADGE_AWARDED else self.events

    def count(self, user: str, names: Iterable[str], asof: AsOf) -> int:
        """How many events of those names there are."""
        return sum(self._of(name).count(user, name, asof) for name in dict.fromkeys(names))

    def latest(self, user: str, names: Iterable[str], asof: AsOf, before: str = LAST_MOMENT) -> JournalEntry | None:
        """The last event of those names with a moment before `before`, or None."""
        found = (self._of(name).latest(user, name, asof, before) for name in names)
        return max((entry for entry in found if entry is not None), key=order, default=None)

    def earliest(self, user: str, names: Iterable[str], asof: AsOf, since: str = FIRST_MOMENT) -> JournalEntry | None:
        """The first event of those names from `since` on, or None."""
        found = (self._of(name).earliest(user, name, asof, since) for name in names)
        return min((entry for entry in found if entry is not None), key=order, default=None)

    def entries(
        self,
        user: str,
        names: Iterable[str],
        asof: AsOf,
        since: str = FIRST_MOMENT,
        until: str = LAST_MOMENT,
        *,
        backwards: bool = False,
    ) -> Iterator[JournalEntry]:
        """The events of those names from `since` on and before `until`, in order or backwards."""
        each = (self._of(name).entries(user, name, asof, since, until, backwards) for name in dict.fromkeys(names))
        return heapq.merge(*each, key=order, reverse=backwards)
