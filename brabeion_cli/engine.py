"""The only place that knows badges *and* store: an event → outcomes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from brabeion_cli import deferred, strictjson
from brabeion_cli.base import Badge
from brabeion_cli.entering import EndlessAwardsError, award_entry, enter, new_awards, require_end
from brabeion_cli.entries import Entry
from brabeion_cli.errors import EventError
from brabeion_cli.events import BADGE_AWARDED, Event
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.journal import Journal
from brabeion_cli.judging import Asking, Case, Watch, freeze, judge
from brabeion_cli.known import Known
from brabeion_cli.outcomes import ERROR, HELD, NONE, QUEUED, REVOKED, Outcome, Recorded, outcome_of
from brabeion_cli.registry import Registry
from brabeion_cli.store import Store


class Engine:
    """Judges events by the badges of a registry and enters what they earn in a store.

        with engine.transaction():
            recorded = engine.record(event, now)

    A transaction may hold many events. The caller enters the guard. `timezone` is where days begin for badges that do
    not say.
    """

    def __init__(
        self, registry: Registry, store: Store, guard: Guard, watch: Watch | None = None, timezone: str = "UTC"
    ) -> None:
        self._registry = registry
        self._store = store
        self._ask = Asking(guard, watch)
        self._journal = Journal(store.database, timezone, registry.level_name)
        self._known = Known(store)
        self._level_names: dict[tuple[str, int], str] = {}
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

    def record(self, event: Event, now: datetime, doomed: Mapping[str, Failure] | None = None) -> Recorded:
        """Enter the event, ask the badges that listen, enter awards and tasks; then ask those that listen to awards.

        Badges in `doomed` are not asked: what failed before stands as their answer. Raises `EventError` where the
        event's id is taken by another event.
        """
        if not self._in_transaction:  # but in one of the caller's: it may have been rolled back meanwhile
            self._known.forget()
        number = self._known.add_event(event)
        if number is None:
            return Recorded(event._replace(at=self._require_same(event)), True, [], [])
        recorded = Recorded(event, False, [], [])
        entry = Entry(number, event.name, event.user, event.at, event.id, event.text)
        cases = [Case(entry, self._journal, state=event.state)]
        for case in cases:  # which grow meanwhile: an award is an event, too
            cases += self._ask_listeners(case, recorded, now, doomed or {})
        return recorded

    def _ask_listeners(
        self, case: Case, recorded: Recorded, now: datetime, doomed: Mapping[str, Failure]
    ) -> list[Case]:
        """Ask each badge that listens; the awards that came of it, as cases where anybody listens to those."""
        already = len(recorded.awards)
        for badge in self._registry.listening_to(case.entry.name):
            try:
                if case.entry.depth:
                    require_end(case.entry)
                if doomed and badge.slug in doomed:
                    raise BadgeFailedError(doomed[badge.slug])
                if badge.async_:
                    self._put_off(badge, case, recorded, now)
                else:
                    self._award(badge, case, recorded)
            except EndlessAwardsError as error:
                recorded.outcomes.append(Outcome(badge.slug, ERROR, error=str(error)))
            except BadgeFailedError as error:
                task = deferred.defer(self._store, badge.slug, case.entry, None, now, error.failure)
                recorded.outcomes.append(Outcome(badge.slug, ERROR, task=task, **error.failure._asdict()))
        if len(recorded.awards) == already or not self._registry.listening_to(BADGE_AWARDED):
            return []
        return [self._award_case(award.grant, case.entry) for award in recorded.awards[already:]]

    def _award_case(self, grant: Grant, entry: Entry) -> Case:
        name = self._registry.level_name(grant.badge, grant.level)
        return Case(award_entry(self._store, grant, name, entry), self._journal)

    def _award(self, badge: Badge, case: Case, recorded: Recorded) -> None:
        entry = case.entry
        entered = self._enter(judge(badge, case, self._ask), entry)
        outcomes = [outcome_of(grant, self._level_name(badge, grant.level), outcome) for grant, outcome in entered]
        recorded.outcomes.extend(outcomes or [Outcome(badge.slug, NONE)])
        recorded.awards.extend(new_awards(entered, entry.at, entry.number))

    def _enter(self, granted: Sequence[Grant], entry: Entry) -> list[tuple[Grant, str]]:
        """As `enter`, asking the store only of awards that are not known to be on record."""
        entered = []
        for grant in granted:
            known = self._known.award(grant)
            if known is None:
                found = enter(self._store, [grant], entry.at, event_number=entry.number)
                entered += found
                for _, outcome in found:
                    self._known.note_award(grant, REVOKED if outcome == REVOKED else HELD)
            elif not grant.implied:
                entered.append((grant, known))
        return entered

    def _level_name(self, badge: Badge, level: int) -> str:
        name = self._level_names.get((badge.slug, level))
        if name is None:
            name = self._level_names[badge.slug, level] = badge.detail(level).name
        return name

    def _put_off(self, badge: Badge, case: Case, recorded: Recorded, now: datetime) -> None:
        text = freeze(badge, case, self._ask)
        task = deferred.defer(self._store, badge.slug, case.entry, text, now)
        recorded.outcomes.append(Outcome(badge.slug, QUEUED, task=task))

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
    return one == other or strictjson.canonical(json.loads(one)) == strictjson.canonical(json.loads(other))
