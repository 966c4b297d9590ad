"""What the store is known to hold, while nobody else writes: it spares `ingest` most of its questions.

It is bounded, and never the judge: the store's keys decide what is new.
"""

from __future__ import annotations

from brabeion_cli.domain.award_rules import ANY_OCCASION, Grant
from brabeion_cli.domain.events import Event
from brabeion_cli.store.event_log import EventLog
from brabeion_cli.store.store import Store

MAX_REMEMBERED = (
    20_000  # users with a name of event, and awards, that are remembered (about 10 MB); then it begins anew
)


class WriteCache:
    """Valid within a transaction that it was told of by `begin()`, and until that is rolled back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorded = EventLog(store.database)
        self._seen: tuple[object, int] | None = None
        self._repeats = False  # whether the last event was there already: then the next one may be, too
        self._latest: dict[tuple[str, str], tuple[str, int, int]] = {}  # moment, events and late ones until it
        self._awards: dict[Grant, str] = {}

    def begin(self) -> None:
        """A transaction has begun: forget everything, if another connection has written since the last one."""
        database = self._store.database
        seen = (database.raw(), database.execute_sql("PRAGMA data_version").fetchone()[0])
        if seen != self._seen:
            self.forget()
            self._seen = seen

    def forget(self) -> None:
        """Know nothing any more."""
        self._seen = None
        self._latest.clear()
        self._awards.clear()

    def add_event(self, event: Event) -> int | None:
        """See `Store.add_event`. While a user's events of a name come in order, counting them takes no question."""
        if self._repeats and event.id is not None and self._store.has_event(event.id):
            return None
        of_user = (event.user, event.name)
        last = self._latest.get(of_user)
        if last is None:
            place = self._recorded.place(event.user, event.name, event.at)
        elif event.at >= last[0]:
            place = (last[1] + 1, False, last[2])
        else:
            place = self._recorded.place_before(event.user, event.name, event.at, last[0])
        number = self._store.add_event(event, place)
        self._repeats = number is None
        if number is not None:
            if len(self._latest) >= MAX_REMEMBERED:
                self._latest.clear()
            if not place[1]:
                self._latest[of_user] = (event.at, place[0], place[2])
            elif last is not None:
                self._latest[of_user] = (last[0], last[1] + 1, last[2] + 1)
        return number

    def award(self, grant: Grant) -> str | None:
        """What an award is known to be, held or revoked; None where that is not known."""
        return self._awards.get(grant)

    def note_award(self, grant: Grant, outcome: str) -> None:
        """An award is on record from now on. Those of a single event are not remembered: they do not come again."""
        if grant.occasion == ANY_OCCASION:
            if len(self._awards) >= MAX_REMEMBERED:
                self._awards.clear()
            self._awards[grant] = outcome
