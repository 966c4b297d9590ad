"""Users: a user is forgotten, or gets another name. Each happens in one transaction, or not at all."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli.domain import strict_json
from brabeion_cli.domain.events import text_or_number
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.errors import StoreError, UserError
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store

FORGET = "forget"
"""`given_by` of an award that was earned by an event of another user who is now forgotten."""
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
            task_queue.end_leases(store, now)
            for statement in (LEAVE_TO_OTHERS, *DELETE_USER):
                store.database.execute_sql(statement, {"user": user})
    return traces


def erase(store: Store) -> str | None:
    """Rewrite the file, so that no byte of what was deleted is left. Returns what prevented it, or None."""
    try:
        with store.errors():
            return None if store.database.rewrite() else f"other processes read {store.path} for too long"
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
            raise UserError(f"{name!r} is in use already, and users cannot be merged. Nothing was changed")
        if not dry_run:
            task_queue.end_leases(store, now)
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
