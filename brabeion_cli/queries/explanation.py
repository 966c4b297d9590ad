"""Why a user has a badge or does not: what is on record, and what the badge returns now."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from brabeion_cli.base import Badge
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timeline import END
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate
from brabeion_cli.engine.journal import Journal
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import UnknownBadgeError
from brabeion_cli.sandbox.guard import BadgeFailedError
from brabeion_cli.store import reports, task_admin
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store
from brabeion_cli.store.task_admin import TaskStatus


class Status(StrEnum):
    """A user's standing with a badge. The values are those of the documented JSON."""

    HELD = "held"
    REVOKED = "revoked"
    QUEUED = "queued"
    DEAD = "dead"
    NOT_EARNED = "not earned"
    NO_EVENTS = "no events"


Row = dict[str, Any]


class Explanation(NamedTuple):
    """A user's `status` with a badge; the rest says why.

    `awards` are those on record, held ones first. `events` has, for each event that the badge listens to, how many the
    user has and the last one. `answer` is what the badge returns now for the last of all these events; it is set only
    if the status is "not earned". `near` is set if nobody ever fired such an event: text with near matches.
    """

    user: str
    badge: str
    status: Status
    awards: list[Row]
    tasks: list[Row]
    events: list[Row]
    answer: Row | None
    near: str | None


def explain(session: Session, user: str, slug: str, now: datetime) -> Explanation:
    """Explain a badge of a user. Raises `UnknownBadgeError` if there is no such badge, award or task."""
    registry, store, journal = session.registry, session.store, session.journal
    badge = registry.get(slug)
    awards = list(reports.awards_with_revoked(store, Catalogue.of(registry), user, slug))
    tasks = list(task_admin.queue(store, now, badge=slug, user=user))
    if badge is None and not awards and not tasks:
        raise UnknownBadgeError(f"no badge {slug!r}{near_matches(slug, registry.slugs)}; `brabeion badges` lists them")
    last = None if badge is None else journal.latest(user, badge.events, END)
    status = _status(awards, tasks, last is not None)
    answer = near = None
    if badge is not None and last is not None and status is Status.NOT_EARNED:
        answer = _answer(session, badge, EvaluationContext(last, journal, hindsight=True))
    if badge is not None and status is Status.NO_EVENTS:
        near = _unheard(store, badge)
    events = [_event_row(journal, user, name) for name in dict.fromkeys(badge.events if badge is not None else ())]
    return Explanation(user, slug, status, awards, tasks, events, answer, near)


def _status(awards: list[Row], tasks: list[Row], has_events: bool) -> Status:
    if any(award["revoked_at"] is None for award in awards):
        return Status.HELD
    if awards:
        return Status.REVOKED
    if tasks:
        return Status.DEAD if all(task["status"] is TaskStatus.DEAD for task in tasks) else Status.QUEUED
    return Status.NOT_EARNED if has_events else Status.NO_EVENTS


def _event_row(journal: Journal, user: str, name: str) -> Row:
    last = journal.latest(user, [name], END)
    shown = None if last is None else {"id": last.id, "at": last.at, "state": json.loads(last.state_json)}
    return {"event": name, "count": journal.count(user, [name], END), "last": shown}


def _answer(session: Session, badge: Badge, context: EvaluationContext) -> Row:
    entry = context.entry
    row: Row = {"event": {"name": entry.name, "id": entry.id, "at": entry.at}}
    try:
        granted = evaluate(badge, context, session.guard.call)
    except BadgeFailedError as error:
        return row | {"outcome": "error", "error": error.failure.error, "where": error.failure.where}
    awards = [_grant_row(session.store, badge, grant) for grant in granted if not grant.implied]
    return row | {"outcome": "earned" if awards else "none", "awards": awards}


def _grant_row(store: Store, badge: Badge, grant: Grant) -> Row:
    name, on_record = badge.detail(grant.level).name, store.awards.get(grant)
    row = {"user": grant.user, "level": grant.level, "level_name": name, "key": grant.key or None}
    return row | {"held": on_record is not None and on_record.revoked_by is None}


def _unheard(store: Store, badge: Badge) -> str | None:
    """Text with near matches if there never was an event that the badge listens to; else None."""
    journal = EventRange()
    if journal.count(store.database, [*badge.events]) or (BADGE_AWARDED in badge.events and store.awards.has_any()):
        return None
    return "".join(dict.fromkeys(near_matches(name, journal.names(store.database)) for name in badge.events))
