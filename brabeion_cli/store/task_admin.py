"""The queue as an operator sees it: list, count, retry and drop tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from peewee import fn

from brabeion_cli.database.models import EventRow, TaskRow
from brabeion_cli.domain.events import BADGE_AWARDED, text_or_number
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.errors import NoSuchTaskError
from brabeion_cli.store.store import Store


class TaskStatus(StrEnum):
    """The status of a task. The values are those of the documented JSON."""

    WAITING = "waiting"
    RUNNING = "running"
    DEAD = "dead"


class OverdueTasks(NamedTuple):
    """How many tasks were due before a moment, and when the first of them was due (None if there is none)."""

    tasks: int
    oldest: str | None


def waiting(store: Store) -> int:
    """How many tasks are not dead."""
    (count,) = store.database.execute_sql("SELECT count(*) FROM tasks WHERE due_at IS NOT NULL").fetchone()
    return int(count)


def dead(store: Store) -> int:
    """How many tasks were given up."""
    (count,) = store.database.execute_sql("SELECT count(*) FROM tasks WHERE due_at IS NULL").fetchone()
    return int(count)


def overdue(store: Store, before: datetime) -> OverdueTasks:
    """Tasks that were due before a moment. A task that a worker holds is due when its lease runs out."""
    query = "SELECT count(*), min(due_at) FROM tasks WHERE due_at < ?"
    return OverdueTasks(*store.database.execute_sql(query, (moment(before),)).fetchone())


def retry(store: Store, numbers: Sequence[int] | None, now: datetime) -> list[int]:
    """Make tasks due now, with no attempt counted: the ones named, or (None) every dead one. Returns their numbers.

    Raises `NoSuchTaskError`, and changes nothing, if one is not there or is running.
    """
    with store.transaction():
        chosen = _chosen(store, numbers)
        for task in chosen:
            if task.token is not None and task.due_at > moment(now):
                raise NoSuchTaskError(
                    f"task {task.number} is running (until {task.due_at} at most); nothing was changed"
                )
        for task in chosen:
            store.database.execute_sql(
                "UPDATE tasks SET attempts = 0, token = NULL, due_at = ? WHERE number = ?", (moment(now), task.number)
            )
    return [task.number for task in chosen]


def drop(store: Store, numbers: Sequence[int] | None) -> list[int]:
    """Delete tasks: the ones named, or (None) every dead one. Returns their numbers.

    A worker that runs one of them loses its lease. Raises `NoSuchTaskError`, and changes nothing, if one is not there.
    """
    with store.transaction():
        chosen = _chosen(store, numbers)
        for task in chosen:
            store.database.execute_sql("DELETE FROM tasks WHERE number = ?", (task.number,))
    return [task.number for task in chosen]


class _ChosenTask(NamedTuple):
    number: int
    token: str | None
    due_at: str


def _chosen(store: Store, numbers: Sequence[int] | None) -> list[_ChosenTask]:
    columns = "SELECT number, token, due_at FROM tasks"
    if numbers is None:
        rows = store.database.execute_sql(f"{columns} WHERE due_at IS NULL ORDER BY number")
        return [_ChosenTask(*row) for row in rows]
    chosen = []
    for number in dict.fromkeys(numbers):
        row = store.database.execute_sql(f"{columns} WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NoSuchTaskError(f"no task {number}; `brabeion queue list` shows them all. Nothing was changed")
        chosen.append(_ChosenTask(*row))
    return chosen


def queue(
    store: Store,
    now: datetime,
    *,
    badge: str | None = None,
    user: str | None = None,
    dead: bool = False,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Tasks in the order in which they are due, dead ones last.

    Rows: task, badge, user, event {name, id, at}, status (waiting, running, dead), attempts, due_at, error, where.
    Raises `EventError`.
    """
    query = store.ask(
        TaskRow.select(TaskRow, EventRow.name, EventRow.id, EventRow.at, EventRow.user)
        .join(EventRow, on=(TaskRow.event == EventRow.number))
        .order_by(TaskRow.due_at.is_null(), TaskRow.due_at, TaskRow.number)
        .limit(limit)
        .objects()
    )
    if badge is not None:
        query = query.where(TaskRow.badge == text_or_number(badge, "badge"))
    if dead:
        query = query.where(TaskRow.due_at.is_null())
    if user is not None:
        of_award = fn.json_extract(TaskRow.award, "$.user")
        query = query.where(fn.COALESCE(of_award, EventRow.user) == user)
    for row in query.iterator():
        if row.award is not None:
            row.user, row.name = json.loads(row.award)["user"], BADGE_AWARDED
        running = row.token is not None and row.due_at > moment(now)
        yield {
            "task": row.number,
            "badge": row.badge,
            "user": row.user,
            "event": {"name": row.name, "id": row.id, "at": row.at},
            "status": TaskStatus.DEAD if row.due_at is None else TaskStatus.RUNNING if running else TaskStatus.WAITING,
            "attempts": row.attempts,
            "due_at": row.due_at,
            "error": row.error,
            "where": row.error_at,
        }
