"""The only place that knows badges *and* store: an event → outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

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
        entered = enter(self._store, granted, number, event.at)
        outcomes = [outcome_of(grant, badge, outcome) for grant, outcome in entered]
        recorded.outcomes.extend(outcomes or [Outcome(badge.slug, NONE)])
        recorded.awards.extend(new_awards(entered, number, event.at))

    def _put_off(self, badge: Badge, recorded: Recorded, number: int, now: datetime) -> None:
        event = recorded.event
        text = freeze(badge, state_of(event.state, event.text, event.user), self._ask)
        task = deferred.defer(self._store, badge.slug, number, text, now)
        recorded.outcomes.append(Outcome(badge.slug, QUEUED, task=task))

    def _ask(self, function: Callable[..., Any], badge: Badge, state: dict[str, Any]) -> Any:
        if self._watch is None:
            return self._guard.ask(function, state)
        self._watch.asking(badge.slug)
        try:
            return self._guard.ask(function, state)
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


Ask = Callable[[Callable[..., Any], Badge, dict[str, Any]], Any]


def state_of(state: dict[str, Any], text: str, user: str) -> dict[str, Any]:
    """A copy of a state for one badge to keep, with the user."""
    flat = not any(isinstance(value, (dict, list)) for value in state.values())
    return {**(state if flat else json.loads(text)), "user": user}


def freeze(badge: Badge, state: dict[str, Any], ask: Ask) -> str:
    """The text of what the badge's `freeze()` returns. Raises `BadgeFailedError`."""
    kept = ask(badge.freeze, badge, state)
    try:
        if isinstance(kept, Mapping):
            kept = {key: value for key, value in kept.items() if key not in ("user", "history")}
        return frozen.encode(kept)
    except (TypeError, ValueError) as error:
        where = source.short(source.of_class(type(badge), "freeze"))
        raise BadgeFailedError(Failure(f"{type(error).__name__}: {error}", where)) from error


def judge(badge: Badge, state: dict[str, Any], user: str, event_number: int, ask: Ask) -> list[Grant]:
    """Ask the badge; the grants behind its answer. Raises `BadgeFailedError`."""
    answer = ask(badge.award, badge, state)
    try:
        return grants.from_answer(badge, answer, user, event_number)
    except grants.WrongAnswerError as error:
        where = source.short(source.of_class(type(badge), "award"))
        raise BadgeFailedError(Failure(str(error), where)) from error


def enter(store: Store, granted: Sequence[Grant], event_number: int, at: str) -> list[tuple[Grant, str]]:
    """Enter grants in the store; each with what became of it: awarded, held or revoked."""
    entered = []
    for grant in granted:
        if store.add_award(grant, at, event_number):
            entered.append((grant, AWARDED))
        elif not grant.implied:
            entered.append((grant, REVOKED if store.is_revoked(grant) else HELD))
    return entered


def new_awards(entered: Sequence[tuple[Grant, str]], event_number: int, at: str) -> list[NewAward]:
    """Those of the entered grants that were not there before."""
    return [NewAward(grant, event_number, at) for grant, outcome in entered if outcome == AWARDED]


def announce(registry: Registry, guard: Guard, awards: Sequence[NewAward], watch: Watch | None = None) -> list[str]:
    """Send `badge_awarded` for awards that are on disk; what receivers raised, as lines."""
    failures = []
    for award in awards if badge_awarded else ():
        badge = registry.get(award.grant.badge)
        if badge is None:
            continue
        if watch is not None:
            watch.asking(badge.slug)
        for receiver in badge_awarded:
            try:
                guard.call(receiver, sender=badge, badge_award=_as_sent(award, badge))
            except BadgeFailedError as error:
                name = getattr(receiver, "__qualname__", repr(receiver))
                failures.append(f"receiver {name} of badge_awarded failed: {place(error.failure)}")
        if watch is not None:
            watch.answered()
    return failures


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
