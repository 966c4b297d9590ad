"""The only place that asks badges *and* enters what they answer: an event → outcomes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from brabeion_cli.base import Badge
from brabeion_cli.domain import strict_json
from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import BADGE_AWARDED, Event
from brabeion_cli.domain.outcomes import AWARDED, HELD, CollectedOutcomes, Failure, OutcomeListener, RecordedEvent
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, award_entry, enter_one, is_told, require_end
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate, frozen_state
from brabeion_cli.errors import EventError
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.store import task_queue
from brabeion_cli.store.journal import Journal
from brabeion_cli.store.store import Store
from brabeion_cli.store.write_cache import WriteCache

NOBODY: Mapping[str, Failure] = {}


class EventProcessor:
    """Judges events by the badges of a registry and enters what they earn in a store.

        with engine.transaction():
            recorded = engine.record(event, now)

    A transaction may hold many events. The caller enters the guard. `timezone` is where days begin for badges that do
    not say.
    """

    def __init__(self, registry: Registry, store: Store, guard: Guard, timezone: str = "UTC") -> None:
        self._registry = registry
        self._store = store
        self._ask = guard.call
        self._journal = Journal(store.database, timezone, registry.level_name)
        self._known = WriteCache(store)
        self._in_transaction = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One short transaction of the store: all that is recorded in the block, or nothing."""
        try:
            with self._store.transaction():
                self._known.begin()
                self._in_transaction = True
                yield
        except BaseException:
            self._known.forget()
            raise
        finally:
            self._in_transaction = False

    def record(self, event: Event, now: datetime, doomed: Mapping[str, Failure] | None = None) -> RecordedEvent:
        """See `record_to`. All that came of it."""
        results = CollectedOutcomes()
        at = self.record_to(results, event, now, doomed or NOBODY)
        if at is not None:
            return RecordedEvent(event._replace(at=at), True, [], [])
        return RecordedEvent(event, False, results.outcomes, results.awards)

    def record_to(
        self, results: OutcomeListener, event: Event, now: datetime, doomed: Mapping[str, Failure] = NOBODY
    ) -> str | None:
        """Enter the event, ask the badges that listen, enter awards and tasks; then ask those that listen to awards.

        Returns None; or, where the event is there already, its moment. Badges in `doomed` are not asked: what failed
        before stands as their answer. Raises `EventError` where the event's id is taken by another event.
        """
        if not self._in_transaction:  # but in one of the caller's: it may have been rolled back meanwhile
            self._known.forget()
        number = self._known.add_event(event)
        if number is None:
            return self._require_same(event)
        cases = [EvaluationContext(JournalEntry(number, *event[:5]), self._journal, state=event.state)]
        for case in cases:  # which grow meanwhile: an award is an event, too
            if granted := self._ask_listeners(results, case, now, doomed):
                cases += self._award_cases(granted, case.entry)
        return None

    def _ask_listeners(
        self, results: OutcomeListener, case: EvaluationContext, now: datetime, doomed: Mapping[str, Failure]
    ) -> list[Grant]:
        """Ask each badge that listens; what is awarded now."""
        awarded: list[Grant] = []
        entry = case.entry
        listening = self._registry.listening_to(entry.name)
        if not listening:
            results.unheard(entry.name)
        for badge in listening:
            try:
                if entry.depth:
                    require_end(entry)
                if badge.slug in doomed:
                    raise BadgeFailedError(doomed[badge.slug])
                if badge.async_:
                    text = frozen_state(badge, case, self._ask)
                    results.queued(badge, task_queue.defer(self._store, badge.slug, entry, text, now))
                    continue
                granted = evaluate(badge, case, self._ask)
            except EndlessAwardsError as error:
                results.failed(badge, Failure(str(error)), None)
            except BadgeFailedError as error:
                task = task_queue.defer(self._store, badge.slug, entry, None, now, error.failure)
                results.failed(badge, error.failure, task)
            else:
                if granted:
                    awarded += self._enter(results, badge, granted, entry)
                else:
                    results.unearned(badge)
        return awarded

    def _enter(
        self, results: OutcomeListener, badge: Badge, granted: Sequence[Grant], entry: JournalEntry
    ) -> list[Grant]:
        """Enter grants, asking the store only of awards that are not known to be on record; what is awarded now."""
        awarded = []
        for grant in granted:
            outcome = self._known.award(grant)
            if outcome is None:
                outcome = enter_one(self._store, grant, entry.at, entry.number)
                self._known.note_award(grant, HELD if outcome == AWARDED else outcome)
                if outcome == AWARDED:
                    awarded.append(grant)
            if is_told(grant, outcome):
                results.entered(badge, grant, outcome, entry)
        return awarded

    def _award_cases(self, awarded: Sequence[Grant], entry: JournalEntry) -> list[EvaluationContext]:
        """Awards, as cases where anybody listens to them."""
        if not self._registry.listening_to(BADGE_AWARDED):
            return []
        level_name = self._registry.level_name
        return [
            EvaluationContext(
                award_entry(self._store, grant, level_name(grant.badge, grant.level), entry), self._journal
            )
            for grant in awarded
        ]

    def _require_same(self, event: Event) -> str:
        """The id is taken: by the same event (a duplicate, whose moment is returned), or by another (an error)."""
        row = self._store.database.execute_sql(
            'SELECT name, "user", at, state FROM events WHERE id = ?', (event.id,)
        ).fetchone()
        name, user, at, text = row
        differing = [
            what
            for what, differs in (
                ("event", name != event.name),
                ("user", user != event.user),
                ("at", event.dated and at != event.at),
                ("state", not _same_json(text, event.text)),
            )
            if differs
        ]
        if differing:
            raise EventError(
                f"id {event.id!r} is taken by an event with another {' and '.join(differing)}; "
                "the same id means the same event"
            )
        return str(at)


def _same_json(one: str, other: str) -> bool:
    return one == other or strict_json.canonical(json.loads(one)) == strict_json.canonical(json.loads(other))
