"""What is known of the store while nobody else writes: it spares `ingest` most of its questions.

It is bounded, and never the judge: the store's keys decide what is new.
"""

from __future__ import annotations

from brabeion_cli.domain.award_rules import ANY_OCCASION, Grant
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import OutcomeKind
from brabeion_cli.store.event_log import Latest
from brabeion_cli.store.store import Store

MAX_REMEMBERED = 20_000  # users with a name of event, and awards (about 10 MB); then it starts again


class WriteCache:
    """Writes events and awards. Valid within a transaction that it was told of by `begin()`, and until that is rolled
    back.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[object, int] | None = None  # the connection, and its data_version
        self._repeats = False  # whether the last event was there already: then the next one may be, too
        self._latest: dict[tuple[str, str], Latest] = {}  # by user and name
        self._awards: dict[Grant, OutcomeKind] = {}

    def begin(self) -> None:
        """A transaction has begun: forget everything, if another connection has written since the last one."""
        seen = self._store.database.data_version()
        if seen != self._seen:
            self.forget()
            self._seen = seen

    def forget(self) -> None:
        """Know nothing any more."""
        self._seen = None
        self._latest.clear()
        self._awards.clear()

    def add_event(self, event: Event) -> int | None:
        """See `EventLog.add`. While a user's events of a name come in order, counting them takes no question."""
        events = self._store.events
        if self._repeats and event.id is not None and events.has_id(event.id):
            return None
        of_user = (event.user, event.name)
        latest = self._latest.get(of_user)
        place = events.place(event.user, event.name, event.at, latest)
        number = events.add(event, place)
        self._repeats = number is None
        if number is None:
            return None
        if latest is None:
            if not place.late:
                self._remember(of_user, Latest(event.at, place.tally, place.late_tally))
        elif place.late:
            latest.tally += 1
            latest.late_tally += 1
        else:
            latest.at, latest.tally = event.at, place.tally
        return number

    def _remember(self, of_user: tuple[str, str], latest: Latest) -> None:
        if len(self._latest) >= MAX_REMEMBERED:
            self._latest.clear()
        self._latest[of_user] = latest

    def date_back(self, grant: Grant, awarded_at: str, event_number: int) -> bool:
        """See `AwardLog.date_back`."""
        return self._store.awards.date_back(grant, awarded_at, event_number)

    def enter(
        self,
        grant: Grant,
        awarded_at: str,
        event_number: int | None,
        given_by: str | None = None,
        reason: str | None = None,
    ) -> OutcomeKind:
        """See `AwardLog.enter`. Awards of a single event are not remembered: they do not come again."""
        outcome = self._awards.get(grant)
        if outcome is None:
            outcome = self._store.awards.enter(grant, awarded_at, event_number, given_by, reason)
            if grant.occasion == ANY_OCCASION:
                if len(self._awards) >= MAX_REMEMBERED:
                    self._awards.clear()
                self._awards[grant] = OutcomeKind.HELD if outcome is OutcomeKind.AWARDED else outcome
        return outcome
