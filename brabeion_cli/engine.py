"""The only place that knows badges *and* store: an event → outcomes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from brabeion_cli import deferred, frozen, grants, source, strictjson
from brabeion_cli.base import Badge
from brabeion_cli.errors import EventError
from brabeion_cli.events import Event, parse_moment
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.outcomes import (
    AWARDED,
    ERROR,
    HELD,
    NONE,
    QUEUED,
    REVOKED,
    NewAward,
    Outcome,
    Recorded,
    outcome_of,
    place,
)
from brabeion_cli.registry import Registry
from brabeion_cli.signals import BadgeAward, badge_awarded
from brabeion_cli.store import Store

T = TypeVar("T")


class Watch(Protocol):
    """Somebody who wants to know which badge is being asked, in case it takes the process with it."""

    def asking(self, badge: str) -> None:
        """Badge code runs from now on."""

    def answered(self) -> None:
        """Badge code has come back."""


class Engine:
    """Judges events by the badges of a registry and enters what they earn in a store.

    The caller opens the transaction, so that one may hold many events, and enters the guard.
    """

    def __init__(self, registry: Registry, store: Store, guard: Guard, watch: Watch | None = None) -> None:
        self._registry = registry
        self._store = store
        self._guard = guard
        self._watch = watch

    def record(self, event: Event, now: datetime, doomed: Mapping[str, Failure] | None = None) -> Recorded:
        """Enter the event, ask the badges that listen, enter awards and tasks.

        Badges in `doomed` are not asked: what failed before stands as their answer. Raises `EventError` where the
        event's id is taken by another event.
        """
        number = self._store.add_event(event)
        if number is None:
            return Recorded(event._replace(at=self._require_same(event)), True, [], [])
        recorded = Recorded(event, False, [], [])
        for badge in self._registry.listening_to(event.name):
            try:
                if doomed and badge.slug in doomed:
                    raise BadgeFailedError(doomed[badge.slug])
                if badge.async_:
                    self._put_off(badge, recorded, number, now)
                else:
                    self._award(badge, recorded, number)
            except BadgeFailedError as error:
                task = deferred.defer(self._store, badge.slug, number, None, now, error.failure)
                recorded.outcomes.append(Outcome(badge.slug, ERROR, task=task, **error.failure._asdict()))
        return recorded

    def _award(self, badge: Badge, recorded: Recorded, number: int) -> None:
        event = recorded.event
        granted = judge(badge, state_of(event.state, event.text, event.user), event.user, number, self._ask)
        entered = enter(self._store, granted, event.at, event_number=number)
        outcomes = [outcome_of(grant, badge, outcome) for grant, outcome in entered]
        recorded.outcomes.extend(outcomes or [Outcome(badge.slug, NONE)])
        recorded.awards.extend(new_awards(entered, event.at, number))

    def _put_off(self, badge: Badge, recorded: Recorded, number: int, now: datetime) -> None:
        event = recorded.event
        text = freeze(badge, state_of(event.state, event.text, event.user), self._ask)
        task = deferred.defer(self._store, badge.slug, number, text, now)
        recorded.outcomes.append(Outcome(badge.slug, QUEUED, task=task))

    def _ask(self, badge: Badge, work: Callable[[], T]) -> T:
        if self._watch is None:
            return self._guard.ask(work, source.folder_of(type(badge)))
        self._watch.asking(badge.slug)
        try:
            return self._guard.ask(work, source.folder_of(type(badge)))
        finally:
            self._watch.answered()

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


class Ask(Protocol):
    """Runs a piece of work that calls a badge, guarded. Raises `BadgeFailedError`."""

    def __call__(self, badge: Badge, work: Callable[[], T], /) -> T:
        """What `work()` returns."""


def state_of(state: dict[str, Any], text: str, user: str) -> dict[str, Any]:
    """A copy of a state for one badge to keep, with the user."""
    flat = not any(isinstance(value, (dict, list)) for value in state.values())
    return {**(state if flat else json.loads(text)), "user": user}


def freeze(badge: Badge, state: dict[str, Any], ask: Ask) -> str:
    """The text of what the badge's `freeze()` returns. Raises `BadgeFailedError`."""

    def kept() -> str:
        # Encoded under guard, too: what it returns may have methods of its own.
        answer = badge.freeze(**state)
        if isinstance(answer, Mapping):
            answer = {key: value for key, value in answer.items() if key not in ("user", "history")}
        return frozen.encode(answer)

    return ask(badge, kept)


def judge(badge: Badge, state: dict[str, Any], user: str, event_number: int, ask: Ask) -> list[Grant]:
    """Ask the badge; the grants behind its answer. Raises `BadgeFailedError`."""
    try:
        return ask(badge, lambda: grants.from_answer(badge, badge.award(**state), user, event_number))
    except BadgeFailedError as error:
        if isinstance(error.__cause__, grants.WrongAnswerError):
            where = source.short(source.of_class(type(badge), "award"))
            raise BadgeFailedError(error.failure._replace(error=str(error.__cause__), where=where)) from error.__cause__
        raise


def enter(
    store: Store,
    granted: Sequence[Grant],
    at: str,
    *,
    event_number: int | None = None,
    given_by: str | None = None,
    reason: str | None = None,
) -> list[tuple[Grant, str]]:
    """Enter grants that an event earned or a person gives; each with what became of it: awarded, held or revoked."""
    entered = []
    for grant in granted:
        if store.add_award(grant, at, event_number, given_by, reason):
            entered.append((grant, AWARDED))
        elif not grant.implied:
            entered.append((grant, REVOKED if store.is_revoked(grant) else HELD))
    return entered


def new_awards(entered: Sequence[tuple[Grant, str]], at: str, event_number: int | None = None) -> list[NewAward]:
    """Those of the entered grants that were not there before."""
    return [NewAward(grant, event_number, at) for grant, outcome in entered if outcome == AWARDED]


def announce(registry: Registry, guard: Guard, awards: Sequence[NewAward], watch: Watch | None = None) -> list[str]:
    """Send `badge_awarded` for awards that are on disk; what receivers raised, as lines."""
    failures = []
    for award in awards if badge_awarded else ():
        badge = registry.get(award.grant.badge)
        if badge is None:
            continue
        for receiver in badge_awarded:
            if watch is not None:
                watch.asking(badge.slug)
            try:
                guard.call(partial(receiver, sender=badge, badge_award=_as_sent(award, badge)), _folder_of(receiver))
            except BadgeFailedError as error:
                name = getattr(receiver, "__qualname__", type(receiver).__name__)
                failures.append(f"receiver {name} of badge_awarded failed: {place(error.failure)}")
            if watch is not None:
                watch.answered()
    return failures


def _folder_of(receiver: Callable[..., Any]) -> str | None:
    code = getattr(receiver, "__code__", None)
    return None if code is None else os.path.dirname(code.co_filename)


def _as_sent(award: NewAward, badge: Badge) -> BadgeAward:
    grant, detail = award.grant, badge.detail(award.grant.level)
    return BadgeAward(
        user=grant.user,
        badge=grant.badge,
        level=grant.level,
        level_name=detail.name,
        description=detail.description,
        image=detail.image,
        key=grant.key or None,
        awarded_at=parse_moment(award.at),
        event=award.event,
    )


def _same_json(one: str, other: str) -> bool:
    return one == other or strictjson.canonical(json.loads(one)) == strictjson.canonical(json.loads(other))
