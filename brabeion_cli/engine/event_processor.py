"""Processes an event: records it, asks the badges that listen, and enters their awards.

For live events, this is the only place that asks badges *and* enters what they return. `replay/walk.py` does so for
events of the past.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime

from brabeion_cli.base import Badge
from brabeion_cli.domain import strict_json
from brabeion_cli.domain.events import BADGE_AWARDED, Event
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import CollectedOutcomes, Failure, OutcomeKind, OutcomeListener, RecordedEvent
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, award_entry, enter, require_end
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate, frozen_state
from brabeion_cli.engine.session import Session
from brabeion_cli.engine.write_cache import WriteCache
from brabeion_cli.errors import EventError
from brabeion_cli.sandbox.guard import BadgeFailedError
from brabeion_cli.store import task_queue


class EventProcessor:
    """Records events in a session's store and enters the awards that they earn.

        with processor.transaction():
            recorded = processor.record(event, now)

    A transaction may hold many events.
    """

    def __init__(self, session: Session) -> None:
        self._registry = session.registry
        self._store = session.store
        self._ask = session.guard.call
        self._journal = session.journal
        self._cache = WriteCache(session.store)
        self._in_transaction = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A block in one short transaction of the store: everything in it is recorded, or nothing."""
        try:
            with self._store.transaction():
                self._cache.begin()
                self._in_transaction = True
                yield
        except BaseException:
            self._cache.forget()
            raise
        finally:
            self._in_transaction = False

    def record(self, event: Event, now: datetime) -> RecordedEvent:
        """As `record_to`, but returns the outcomes and awards of the event."""
        collected = CollectedOutcomes()
        at = self.record_to(collected, event, now)
        if at is not None:
            return RecordedEvent(event._replace(at=at), True, [], [])
        return RecordedEvent(event, False, collected.outcomes, collected.awards)

    def record_to(self, listener: OutcomeListener, event: Event, now: datetime) -> str | None:
        """Record the event, ask the badges that listen, and enter awards and tasks.

        Then ask the badges that listen to awards. `listener` receives each outcome. Returns None; or if the event is
        there already, the moment with which it was recorded. Raises `EventError` if another event has its id.
        """
        if not self._in_transaction:  # in a transaction of the caller's, the one before may have been rolled back
            self._cache.forget()
        number = self._cache.add_event(event)
        if number is None:
            return self._require_same(event)
        entry = JournalEntry(number, event.name, event.user, event.at, event.id, event.state_json)
        awarded = self._ask_listeners(listener, EvaluationContext(entry, self._journal, state=event.state), now)
        if awarded and self._registry.listening_to(BADGE_AWARDED):
            self._ask_about_awards(listener, awarded, entry, now)
        return None

    def _ask_about_awards(
        self, listener: OutcomeListener, awarded: Sequence[Grant], entry: JournalEntry, now: datetime
    ) -> None:
        """Ask the badges that listen to awards about each new award, first in, first out."""
        waiting = deque((grant, entry) for grant in awarded)
        while waiting:
            grant, earned_by = waiting.popleft()
            level_name = self._registry.level_name(grant.slug, grant.level)
            award = award_entry(self._store.awards, grant, level_name, earned_by)
            further = self._ask_listeners(listener, EvaluationContext(award, self._journal), now)
            waiting.extend((grant, award) for grant in further)

    def _ask_listeners(self, listener: OutcomeListener, context: EvaluationContext, now: datetime) -> list[Grant]:
        """Ask each badge that listens. Returns the new awards."""
        awarded: list[Grant] = []
        entry = context.entry
        listening = self._registry.listening_to(entry.name)
        if not listening:
            listener.unheard(entry.name)
        for badge in listening:
            try:
                if entry.depth:
                    require_end(entry)
                if badge.async_:
                    frozen = frozen_state(badge, context, self._ask)
                    listener.queued(badge, task_queue.defer(self._store, badge.slug, entry, frozen, now))
                    continue
                granted = evaluate(badge, context, self._ask)
            except EndlessAwardsError as error:
                listener.failed(badge, Failure(str(error)), None)
            except BadgeFailedError as error:
                task = task_queue.defer(self._store, badge.slug, entry, None, now, error.failure)
                listener.failed(badge, error.failure, task)
            else:
                if granted:
                    awarded += self._enter(listener, badge, granted, entry)
                else:
                    listener.unearned(badge)
        return awarded

    def _enter(
        self, listener: OutcomeListener, badge: Badge, granted: Sequence[Grant], entry: JournalEntry
    ) -> list[Grant]:
        """Enter grants and report what became of each. Returns the new awards."""
        awarded = []
        for grant, outcome, _ in enter(self._cache, granted, entry.at, event_number=entry.number):
            listener.entered(badge, grant, outcome, entry)
            if outcome is OutcomeKind.AWARDED:
                awarded.append(grant)
        return awarded

    def _require_same(self, event: Event) -> str:
        """Handle an event whose id is taken. Returns the recorded moment if it is a duplicate.

        Raises `EventError` if the recorded event is another one.
        """
        assert event.id is not None
        recorded = self._store.events.by_id(event.id)
        assert recorded is not None
        differing = [
            what
            for what, differs in (
                ("event", recorded.name != event.name),
                ("user", recorded.user != event.user),
                ("at", event.dated and recorded.at != event.at),
                ("state", not _same_json(recorded.state_json, event.state_json)),
            )
            if differs
        ]
        if differing:
            raise EventError(
                f"id {event.id!r} is taken by an event with another {' and '.join(differing)}; "
                "the same id means the same event"
            )
        return recorded.at


def _same_json(one: str, other: str) -> bool:
    return one == other or strict_json.canonical(json.loads(one)) == strict_json.canonical(json.loads(other))
