"""Prunes old events, in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli.database import late_counts
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import EventError, NoSuchEventError, UnknownBadgeError
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store

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
COUNT_LATE_EVENTS_AS_IN_TIME = (
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


class PrunedEvents(NamedTuple):
    """How many events of a name were deleted, of how many users, and the badges that need that name."""

    event: str
    events: int
    users: int
    needed_by: list[str]


class PruneReport(NamedTuple):
    """What was pruned.

    `names` lists each name of which events were deleted. `left` is how many events before that moment stay, of all
    names. `unregistered` are badges that have awards or tasks but are not registered, so nobody knows what they need.
    """

    before: str
    names: list[PrunedEvents]
    left: int
    unregistered: list[str]


def prune(
    store: Store, catalogue: Catalogue, before: str, also: Sequence[str], *, now: datetime, dry_run: bool = False
) -> PruneReport:
    """Delete events before a moment: those that no badge needs, and those of the names in `also`, needed or not.

    Raises `EventError`, `NoSuchEventError` or `UnknownBadgeError`, and changes nothing then.
    """
    before = moment(before, "--before")
    if before > moment(now):
        raise EventError(f"--before is {before}, which is in the future. Nothing was pruned")
    if not len(catalogue) and not also:
        raise UnknownBadgeError(
            "no badge is registered, so nothing says which events are needed; name an --event to prune"
        )
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
    unregistered = [slug for (slug,) in on_record if slug not in catalogue.slugs]
    return PruneReport(before, [each for each in names if each.events], left, unregistered)


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
        for statement in (
            *COUNT_LATE_EVENTS_AS_IN_TIME,
            f"DELETE {GOING}",
            *late_counts.recount("name = :name"),
            NOTE_PRUNE,
        ):
            store.database.execute_sql(statement, values)
    return PrunedEvents(name, events, users, needed_by)


def _rows(store: Store, query: str, **values: Any) -> list[Any]:
    rows: list[Any] = store.database.execute_sql(query, values).fetchall()
    return rows
