"""Prunes old events, forgets a user and renames a user, each in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli.database import late_counts
from brabeion_cli.domain import strict_json
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.events import BADGE_AWARDED, text_or_number
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import EventError, NoSuchEventError, StoreError, UnknownBadgeError, UserError
from brabeion_cli.store import task_queue
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store

FORGET = "forget"
"""`given_by` of an award that was earned by an event of another user who is now forgotten."""

#: The events of a name that are deleted. An event stays if an award or a task refers to it. If badges need the name,
#: each user's last event stays too, because counting goes on from it.
GOING = """
    FROM events AS e WHERE name = :name AND at < :before
    AND NOT EXISTS (SELECT 1 FROM awards WHERE event_number = e.number)
    AND NOT EXISTS (SELECT 1 FROM tasks WHERE event_number = e.number)
    AND (NOT :needed
        OR EXISTS (SELECT 1 FROM events WHERE "user" = e."user" AND name = e.name AND at = e.at AND number > e.number)
        OR EXISTS (SELECT 1 FROM events WHERE "user" = e."user" AND name = e.name AND at > e.at AND at < :before))
"""
#: Late events before `:before` now count as if they had come in time, also for events that were recorded before them.
COUNT_LATE_COMERS_IN = (
    """
    UPDATE events SET tally = tally + counted.all_late - counted.late_before,
        late_tally = late_tally - counted.late_before
    FROM (
        SELECT number,
            sum(late = 1 AND at < :before) OVER (PARTITION BY "user") AS all_late,
            sum(late = 1 AND at < :before) OVER (PARTITION BY "user" ORDER BY number) AS late_before
        FROM events WHERE name = :name
            AND "user" IN (SELECT "user" FROM events WHERE name = :name AND at < :before AND late = 1)
    ) counted
    WHERE counted.number = events.number AND at >= :before
    """,
    """
    UPDATE events SET tally = tally - late_tally + counted.late_ones, late_tally = 0 FROM (
        SELECT number, sum(late) OVER (PARTITION BY "user" ORDER BY at, number) AS late_ones
        FROM events WHERE name = :name AND at < :before
            AND "user" IN (SELECT "user" FROM events WHERE name = :name AND at < :before AND late = 1)
    ) counted
    WHERE counted.number = events.number
    """,
    "UPDATE events SET late = 0 WHERE name = :name AND at < :before AND late = 1",
)
NOTE_PRUNE = """
    INSERT INTO prunes (name, before) VALUES (:name, :before)
    ON CONFLICT (name) DO UPDATE SET before = max(before, excluded.before)
"""

OF_USER = '"user" = :user'
OF_EVENTS = f"event_number IN (SELECT number FROM events WHERE {OF_USER})"
OF_TASKS = f"{OF_EVENTS} OR json_extract(award, '$.user') = :user"
#: The awards of others that the user's events earned stay, as if they had been given by hand. An occasion made from an
#: event's number is replaced with a negative one, as awards by hand have.
LEAVE_TO_OTHERS = f"""
    UPDATE awards SET event_number = NULL, position = 0, occasion = left_to.occasion, given_by = '{FORGET}',
        reason = 'earned by ' || left_to.name || ' of a user who was forgotten'
    FROM (
        SELECT a."user", a.badge, a.level, a."key", a.occasion AS old, e.name, CASE WHEN a.occasion > 0 THEN
            (SELECT min(0, min(occasion)) FROM awards WHERE "user" = a."user" AND badge = a.badge)
            - row_number() OVER (PARTITION BY a."user", a.badge ORDER BY a.occasion) ELSE a.occasion END AS occasion
        FROM awards a JOIN events e ON e.number = a.event_number WHERE e."user" = :user AND a."user" <> :user
    ) left_to
    WHERE (awards."user", awards.badge, awards.level, awards."key", awards.occasion)
        = (left_to."user", left_to.badge, left_to.level, left_to."key", left_to.old)
"""
DELETE_USER = (
    f"DELETE FROM tasks WHERE {OF_TASKS}",
    f"DELETE FROM awards WHERE {OF_USER}",
    f"DELETE FROM events WHERE {OF_USER}",
    f"DELETE FROM late_counts WHERE {OF_USER}",
)
RENAME_USER = (
    """UPDATE tasks SET award = json_set(award, '$.user', :name) WHERE json_extract(award, '$.user') = :user""",
    f'UPDATE awards SET "user" = :name WHERE {OF_USER}',
    f'UPDATE events SET "user" = :name WHERE {OF_USER}',
    f'UPDATE late_counts SET "user" = :name WHERE {OF_USER}',
)


class PrunedEvents(NamedTuple):
    """How many events of a name were deleted, of how many users, and the badges that need that name."""

    event: str
    events: int
    users: int
    needed_by: list[str]


class PruneReport(NamedTuple):
    """What was pruned.

    `names` lists each name of which events were deleted. `left` is how many events before that moment stay, of all
    names. `strangers` are badges that have awards or tasks but are not registered, so nobody knows what they need.
    """

    before: str
    names: list[PrunedEvents]
    left: int
    strangers: list[str]


class UserTraces(NamedTuple):
    """How many events, awards and tasks a user has.

    `left_to_others` counts the awards of others that the user's events earned. `mentions` counts the events that stay
    and name the user in their state.
    """

    events: int
    awards: int
    tasks: int
    left_to_others: int
    mentions: int


def prune(
    store: Store, catalogue: Catalogue, before: str, also: Sequence[str], *, now: datetime, dry_run: bool = False
) -> PruneReport:
    """Delete events before a moment: those that no badge needs, and those of the names in `also`, needed or not.

    Raises `EventError`, `NoSuchEventError` or `UnknownBadgeError`, and changes nothing then.
    """
    before = moment(before, "--before")
    if before > moment(now):
        raise EventError(f"--before is {before}, which is yet to come. Nothing was pruned")
    if not len(catalogue) and not also:
        raise UnknownBadgeError("no badge is registered, so nobody says what is needed; name an --event to prune")
    _require_known(store, catalogue, also)
    with contextlib.nullcontext() if dry_run else store.transaction():
        needed_by = {name: catalogue.needing(name) for name in EventRange().names(store.database)}
        chosen = [name for name, slugs in needed_by.items() if name in also or (len(catalogue) and not slugs)]
        names = []
        for name in chosen:
            names.append(_prune_name(store, name, before, needed_by[name], dry_run=dry_run))
        ((left,),) = _rows(store, "SELECT count(*) FROM events WHERE at < :before", before=before)
    left -= sum(each.events for each in names) if dry_run else 0
    on_record = _rows(store, "SELECT badge FROM awards UNION SELECT badge FROM tasks ORDER BY badge")
    strangers = [slug for (slug,) in on_record if slug not in catalogue.slugs]
    return PruneReport(before, [each for each in names if each.events], left, strangers)


def _require_known(store: Store, catalogue: Catalogue, names: Sequence[str]) -> None:
    recorded = EventRange().names(store.database)
    known = {*recorded, *store.events.prunes(), *filter(catalogue.needing, names)} - {BADGE_AWARDED}
    for name in names:
        if name not in known:
            near = near_matches(name, recorded)
            raise NoSuchEventError(f"no event {name!r} was ever recorded{near}. Nothing was pruned")


def _prune_name(store: Store, name: str, before: str, needed_by: list[str], *, dry_run: bool) -> PrunedEvents:
    values = {"name": name, "before": before, "needed": bool(needed_by)}
    ((events, users),) = _rows(store, f'SELECT count(*), count(DISTINCT "user") {GOING}', **values)
    if events and not dry_run:
        for statement in (*COUNT_LATE_COMERS_IN, f"DELETE {GOING}", *late_counts.recount("name = :name"), NOTE_PRUNE):
            store.database.execute_sql(statement, values)
    return PrunedEvents(name, events, users, needed_by)


def forget(store: Store, user: str, *, now: datetime, dry_run: bool = False) -> UserTraces:
    """Delete all rows of a user. Raises `EventError` or `UserError`, and changes nothing then.

    Call `erase()` afterwards. Until then, the file may still contain what was deleted.
    """
    user = text_or_number(user, "user")
    mentions = _mentions(store, user, 'AND "user" <> :user')
    store.database.pragma("secure_delete", 1)  # in case erase() is never called
    with contextlib.nullcontext() if dry_run else store.transaction():
        traces = _traces(store, user, mentions)
        if not dry_run:
            task_queue.take_back(store, now)
            for statement in (LEAVE_TO_OTHERS, *DELETE_USER):
                store.database.execute_sql(statement, {"user": user})
    return traces


def erase(store: Store) -> str | None:
    """Rewrite the file, so that no byte of what was deleted is left. Returns what prevented it, or None."""
    try:
        with store.errors():
            return None if store.database.rewrite() else f"others read {store.path} for too long"
    except StoreError as error:
        return str(error)


def rename(store: Store, user: str, name: str, *, now: datetime, dry_run: bool = False) -> UserTraces:
    """Give a user another name, which must not be in use.

    Raises `EventError` or `UserError`, and changes nothing then.
    """
    user, name = text_or_number(user, "user"), text_or_number(name, "the new name")
    if user == name:
        raise UserError(f"{user!r} has that name already")
    mentions = _mentions(store, user)
    with contextlib.nullcontext() if dry_run else store.transaction():
        traces = _traces(store, user, mentions)
        if any(_counts(store, name)):
            raise UserError(f"{name!r} is there already, and users cannot be merged. Nothing was changed")
        if not dry_run:
            task_queue.take_back(store, now)
            for statement in RENAME_USER:
                store.database.execute_sql(statement, {"user": user, "name": name})
    return traces


def _traces(store: Store, user: str, mentions: int) -> UserTraces:
    """What the store has of a user. Raises `UserError` if it has nothing."""
    counts = _counts(store, user)
    if not any(counts):
        known = [name for (name,) in _rows(store, 'SELECT "user" FROM events UNION SELECT "user" FROM awards')]
        raise UserError(f"no user {user!r}{near_matches(user, known)}. Nothing was changed")
    ((left_to_others,),) = _rows(store, f'SELECT count(*) FROM awards WHERE {OF_EVENTS} AND "user" <> :user', user=user)
    return UserTraces(*counts, left_to_others, mentions)


def _counts(store: Store, user: str) -> tuple[int, int, int]:
    """How many events, awards and tasks a user has."""
    concerned = {"events": OF_USER, "awards": OF_USER, "tasks": OF_TASKS}
    counts = [f"(SELECT count(*) FROM {table} WHERE {which})" for table, which in concerned.items()]
    ((events, awards, tasks),) = _rows(store, f"SELECT {', '.join(counts)}", user=user)
    return events, awards, tasks


def _mentions(store: Store, user: str, chosen: str = "") -> int:
    """How many events (that match `chosen`) have the user's name as a JSON string in their state."""
    query = f"SELECT count(*) FROM events WHERE instr(state, :quoted) {chosen}"
    ((mentions,),) = _rows(store, query, quoted=strict_json.compact(user), user=user)
    return int(mentions)


def _rows(store: Store, query: str, **values: Any) -> list[Any]:
    rows: list[Any] = store.database.execute_sql(query, values).fetchall()
    return rows
