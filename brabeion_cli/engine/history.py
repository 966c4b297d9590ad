"""`History`: what badges may ask about the journal, as `state["history"]`."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from datetime import date, datetime, tzinfo
from typing import Any

from brabeion_cli.base import Badge
from brabeion_cli.domain import lookups, timestamps
from brabeion_cli.domain.events import BADGE_AWARDED, text_or_number
from brabeion_cli.domain.timeline import FIRST_MOMENT, LAST_MOMENT, AsOf, JournalEntry
from brabeion_cli.domain.timestamps import Days, moment, parse_moment
from brabeion_cli.engine.journal import Journal


class PastEvent:
    """An event of the journal, with `name`, `user`, `at`, `id` (the caller's, or None) and `state`."""

    __slots__ = ("_at", "_state", "_state_json", "id", "name", "user")

    def __init__(self, entry: JournalEntry) -> None:
        self.name, self.user, self.id = entry.name, entry.user, entry.id
        self._at, self._state_json = entry.at, entry.state_json
        self._state: dict[str, Any] | None = None

    @property
    def at(self) -> datetime:
        """When it happened, in UTC."""
        return parse_moment(self._at)

    @property
    def state(self) -> dict[str, Any]:
        """The state as it was recorded, without `user`."""
        if self._state is None:
            self._state = json.loads(self._state_json)
        return self._state

    def __repr__(self) -> str:
        return f"<{self.name} of {self.user} at {self._at}, id {self.id!r}>"


class History:
    """The journal of one user (`user`) as of an event: that event and what came before it, never what came later.

    Events are ordered by their time, and events with equal times in the order in which they were recorded. A question
    that names no event is about all events. The event `badge_awarded` stands for the user's awards.

    `where` names fields of the recorded state, and the value that each must have. `post__owner` is the field `owner` of
    the object `post`. Instead of a value, it may be a function that is called with the field's value.

        history.count("comment_posted")
        history.count("post_edited", is_own_post=False)
        history.count("answer_upvoted", score=lambda score: score >= 10)
        history.streak("visited", tz="Europe/Berlin", grace=1)

    Raises `TypeError` if the name of an event is not text.
    """

    def __init__(self, journal: Journal, user: str, entry: JournalEntry | None, asof: AsOf | None = None) -> None:
        """Without `asof`, the history is as of `entry`."""
        self.user = user
        self._journal = journal
        self._entry = entry
        self._given_asof = asof

    def __repr__(self) -> str:
        return f"<history of {self.user} as of {self._asof.at}>"

    @functools.cached_property
    def _asof(self) -> AsOf:
        if self._given_asof is not None:
            return self._given_asof
        assert self._entry is not None
        return AsOf.of(self._entry)

    @functools.cached_property
    def event(self) -> PastEvent | None:
        """The event that is being evaluated, or None if there is none."""
        return _past(self._entry)

    def of(self, user: str | int) -> History:
        """Another user's history, as of the same event. Raises `EventError` if `user` is not text or an integer."""
        return History(self._journal, text_or_number(user, "user"), self._entry, self._asof)

    def count(self, /, *events: str, **where: Any) -> int:
        """How many events there are. Without `where`, a million events cost no more than a hundred."""
        if where:
            return sum(1 for _ in self._found(events, where))
        return self._journal.count(self.user, self._names(events), self._asof)

    def sum(self, /, event: str, field: str, **where: Any) -> int | float:
        """The sum of a field. Events without the field, or with null there, add nothing.

        Raises `TypeError` if an event has anything else there that is not a number, such as text or a boolean.
        """
        values = []
        for found in self._found((event,), where):
            value = lookups.find(found.state, field)
            if value is lookups.MISSING or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"sum of {field!r}: {event} at {found.at} has {value!r:.80} there, not a number")
            values.append(value)
        return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)

    def first(self, /, *events: str, **where: Any) -> PastEvent | None:
        """The earliest event, or None."""
        if where:
            return next(self._found(events, where), None)
        return _past(self._journal.earliest(self.user, self._names(events), self._asof))

    def last(self, /, *events: str, **where: Any) -> PastEvent | None:
        """The latest event, or None. If the event that is being evaluated fits, that is the latest."""
        if where:
            return next(self._found(events, where, backwards=True), None)
        return _past(self._journal.latest(self.user, self._names(events), self._asof))

    def events(
        self, /, *names: str, since: datetime | date | str | None = None, until: datetime | date | str | None = None,
        **where: Any,
    ) -> Iterator[PastEvent]:  # fmt: skip
        """The events from `since` (included) to `until` (excluded), oldest first.

        Both are a `datetime`, ISO 8601 text (UTC if they have no zone), or a `date`, which means its beginning in the
        configured time zone. Raises `EventError` if one of them is not a time.
        """
        after = FIRST_MOMENT if since is None else self._moment(since, "since")
        before = LAST_MOMENT if until is None else self._moment(until, "until")
        return self._found(names, where, after, before)

    def days(self, /, *events: str, tz: str | tzinfo | None = None, **where: Any) -> Days:
        """On how many days there were events. Iterate over the result for the dates, oldest first.

        Days begin at midnight in `tz`, a `tzinfo` or an IANA name; None is the configured time zone. Raises
        `ValueError` if there is no such zone.
        """
        zone = self._zone(tz)
        return Days(sorted(set(self._each_day(events, zone, where))))

    def streak(self, /, *events: str, tz: str | tzinfo | None = None, grace: int = 0, **where: Any) -> int:
        """How many days in a row had events, up to today or (because today is not over) yesterday.

        Today is the day of the event that is being evaluated. `grace` is how many days may be missed in all; missed
        days do not count. `tz` is as in `days`. Raises `ValueError` if `grace` is not a whole number from 0, or if
        there is no such zone.
        """
        if not isinstance(grace, int) or grace < 0:
            raise ValueError(f"grace is {grace!r:.80}; it must be a number of days, 0 or more")
        zone = self._zone(tz)
        today = before = timestamps.day_of(parse_moment(self._asof.at), zone)
        length = 0
        for day in self._days_backwards(events, zone, where):
            if day > today:  # the clocks went back over midnight after it
                continue
            grace -= max(0, timestamps.missed_between(day, before, zone))
            if grace < 0:
                break
            before, length = day, length + 1
        return length

    def has(self, badge: str | Badge | type[Badge], level: int | None = None) -> bool:
        """Whether the user held the badge (or exactly that level of it) before this event.

        `badge` is a slug or a badge class. Awards that this event earns are not seen: to see them, a badge must listen
        to `badge_awarded`. Raises `ValueError` if `level` is not a number from 1.
        """
        slug = badge if isinstance(badge, str) else badge.slug
        if level is not None and (not isinstance(level, int) or level < 1):
            raise ValueError(f"level is {level!r:.80}; levels are numbers, counted from 1")
        return self._journal.awards.holds(self.user, slug, level, self._asof)

    def _names(self, events: tuple[str, ...]) -> list[str]:
        for name in events:
            if not isinstance(name, str):
                raise TypeError(f"{name!r:.80} is not the name of an event; write each name as text")
        return [*dict.fromkeys(events)] if events else self._journal.events.names(self.user)

    def _found(
        self,
        events: tuple[str, ...],
        where: dict[str, Any],
        since: str = FIRST_MOMENT,
        until: str = LAST_MOMENT,
        *,
        backwards: bool = False,
    ) -> Iterator[PastEvent]:
        names = self._names(events)
        found = map(PastEvent, self._journal.entries(self.user, names, self._asof, since, until, backwards=backwards))
        return (event for event in found if lookups.matches(event.state, where)) if where else found

    def _each_day(self, events: tuple[str, ...], zone: tzinfo, where: dict[str, Any]) -> Iterator[date]:
        """Days with events, oldest first. Without `where`, an index finds each next day; with it, all events are read.

        A day may come more than once.
        """
        names, since = self._names(events), FIRST_MOMENT
        if where or BADGE_AWARDED in names:
            yield from (timestamps.day_of(event.at, zone) for event in self._found(events, where))
            return
        while entry := self._journal.earliest(self.user, names, self._asof, since):
            day = timestamps.day_of(parse_moment(entry.at), zone)
            yield day
            since = (
                entry.at + LAST_MOMENT
                if timestamps.clocks_cross_midnight(day, zone)
                else timestamps.start_of_day(day + timestamps.ONE_DAY, zone)
            )

    def _days_backwards(self, events: tuple[str, ...], zone: tzinfo, where: dict[str, Any]) -> Iterator[date]:
        names, before = self._names(events), LAST_MOMENT
        while not where and BADGE_AWARDED not in names:
            entry = self._journal.latest(self.user, names, self._asof, before)
            if entry is None:
                return
            day = timestamps.day_of(parse_moment(entry.at), zone)
            if timestamps.clocks_cross_midnight(day, zone):
                break
            yield day
            before = timestamps.start_of_day(day, zone)
        left = self._found(events, where, until=before)
        yield from sorted({timestamps.day_of(event.at, zone) for event in left}, reverse=True)

    def _zone(self, tz: str | tzinfo | None) -> tzinfo:
        return timestamps.zone_of(self._journal.timezone if tz is None else tz)

    def _moment(self, value: datetime | date | str, what: str) -> str:
        if isinstance(value, date) and not isinstance(value, datetime):
            return timestamps.start_of_day(value, self._zone(None))
        return moment(value, what)


def _past(entry: JournalEntry | None) -> PastEvent | None:
    return None if entry is None else PastEvent(entry)
