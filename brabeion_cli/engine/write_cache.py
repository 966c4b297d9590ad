"""Remembers what is in the store while nobody else writes, which saves `ingest` most of its queries.

It is bounded, and it does not decide what is new: the store's keys do.
"""

from __future__ import annotations

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.grants import ANY_OCCASION, Grant
from brabeion_cli.domain.outcomes import OutcomeKind
from brabeion_cli.store.event_log import Latest
from brabeion_cli.store.store import Store

MAX_REMEMBERED = 20_000  # pairs of user and event name, and as many awards (about 10 MB); then it starts again


class WriteCache:
    """Writes events and awards.

    Call `begin()` in each transaction before writing, and `forget()` if it is rolled back.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[object, int] | None = None  # the connection, and its data_version
        self._repeats = False  # whether the last event was there already; the next one may be, too
        self._latest: dict[tuple[str, str], Latest] = {}  # by user and name
        self._awards: dict[Grant, OutcomeKind] = {}

    def begin(self) -> None:
        """Forget everything if another connection has written since the last transaction."""
        seen = self._store.database.data_version()
        if seen != self._seen:
            self.forget()
            self._seen = seen

    def forget(self) -> None:
        """Forget everything."""
        self._seen = None
        self._latest.clear()
        self._awards.clear()

    def add_event(self, event: Event) -> int | None:
        """As `EventLog.add`. While a user's events of a name come in order, counting them takes no query."""
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
        """As `AwardLog.date_back`."""
        return self._store.awards.date_back(grant, awarded_at, event_number)

    def enter(
        self,
        grant: Grant,
        awarded_at: str,
        event_number: int | None,
        given_by: str | None = None,
        reason: str | None = None,
    ) -> OutcomeKind:
        """As `AwardLog.enter`. Awards for one occasion are not remembered, because they do not come again."""
        outcome = self._awards.get(grant)
        if outcome is None:
            outcome = self._store.awards.enter(grant, awarded_at, event_number, given_by, reason)
            if grant.occasion == ANY_OCCASION:
                if len(self._awards) >= MAX_REMEMBERED:
                    self._awards.clear()
                self._awards[grant] = OutcomeKind.HELD if outcome is OutcomeKind.AWARDED else outcome
        return outcome
