"""The queue of deferred evaluations: defer, claim with a lease, finish, fail and give back tasks."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.store.store import Store

LOOK_AHEAD = 200  # further due tasks to choose from, because some users may have tasks that are running
MAX_CHARACTERS = 1 << 20  # in the states of tasks that are claimed together
MAX_DELAY = 3600.0  # seconds; the delay is not doubled beyond this

DUE = """
    SELECT t.number, t.badge, t.attempts, t.state, t.award, t.due_at, e.number, e.name, e."user", e.at, e.id, e.state
    FROM tasks t JOIN events e ON e.number = t.event_number WHERE t.due_at <= ? ORDER BY t.due_at, t.number LIMIT ?
"""


class ClaimedTask(NamedTuple):
    """A claimed task, with everything that its evaluation needs.

    `attempts` includes this one. `frozen` is what `freeze()` returned, as JSON, or None. `award` is the JSON of the
    award that it is about, or None if it is about the event itself. `due_at` is when it was due before the claim.
    """

    number: int
    token: str
    slug: str
    attempts: int
    frozen: str | None
    award: str | None
    due_at: str
    event: JournalEntry

    @property
    def entry(self) -> JournalEntry:
        """What to evaluate: the event, or the award that it led to."""
        if self.award is None:
            return self.event
        award = json.loads(self.award)
        return self.event._replace(
            name=BADGE_AWARDED,
            user=award["user"],
            state_json=award["text"],
            position=award["position"],
            depth=award["depth"],
        )

    @property
    def user(self) -> str:
        """The user of the event, or of the award."""
        return self.event.user if self.award is None else str(json.loads(self.award)["user"])


def defer(
    store: Store, slug: str, entry: JournalEntry, frozen: str | None, now: datetime, failure: Failure | None = None
) -> int:
    """Put an evaluation in the queue, due at once. Returns the task's number."""
    error, where = failure or (None, None)
    award = None
    if entry.name == BADGE_AWARDED:
        award = json.dumps(
            {"user": entry.user, "text": entry.state_json, "position": entry.position, "depth": entry.depth}
        )
    cursor = store.database.execute_sql(
        "INSERT INTO tasks (event_number, badge, state, attempts, due_at, error, error_at, award) "
        "VALUES (?, ?, ?, 0, ?, ?, ?, ?)",
        (entry.number, slug, frozen, moment(now), error, where, award),
    )
    number = cursor.lastrowid
    assert number is not None  # after an INSERT
    return number


class Claim(NamedTuple):
    """The tasks to run, and the numbers of tasks that were given up because their workers kept dying."""

    tasks: list[ClaimedTask]
    died: list[int]


def claim(
    store: Store, limit: int, lease: float, max_attempts: int, now: datetime, after_claim: str | None = None
) -> Claim:
    """Take up to `limit` due tasks for `lease` seconds, in the order in which they are due.

    Attempts are counted here, before anything runs. So a task that always kills its worker ends as dead and does not
    run for ever. `after_claim` is the token of an earlier claim whose tasks will run before these.
    """
    token = os.urandom(16).hex()
    with store.transaction():
        died = store.database.execute_sql(
            "UPDATE tasks SET due_at = NULL, token = NULL, error = ?, error_at = NULL "
            "WHERE due_at <= ? AND token IS NOT NULL AND attempts >= ? RETURNING number",
            ("its worker was killed, or stopped past its lease", moment(now), max_attempts),
        ).fetchall()
        tasks = _first_due(store, limit, token, moment(now), after_claim)
        numbers = [task.number for task in tasks]
        store.database.execute_sql(
            f"UPDATE tasks SET token = ?, attempts = attempts + 1, due_at = ? WHERE number IN ({_holes(numbers)})",
            (token, moment(now + timedelta(seconds=lease)), *numbers),
        )
    return Claim(tasks, [number for (number,) in died])


def _first_due(store: Store, limit: int, token: str, now: str, after_claim: str | None) -> list[ClaimedTask]:
    """Due tasks of users who have no other task running.

    Out of turn, a task might not see awards that it should. A task that was tried before is claimed alone: if it kills
    its child process, no other task is lost with it.
    """
    running = store.database.execute_sql(
        """SELECT coalesce(json_extract(t.award, '$.user'), e."user")
        FROM tasks t JOIN events e ON e.number = t.event_number
        WHERE t.token IS NOT NULL AND t.due_at > ? AND t.token IS NOT ?""",
        (now, after_claim),
    )
    busy = {user for (user,) in running.fetchall()}
    chosen: list[ClaimedTask] = []
    characters = 0
    due = store.database.execute_sql(DUE, (now, limit + LOOK_AHEAD))
    for number, slug, attempts, frozen, award, due_at, *event in due:  # SQLite reads rows only as they are fetched
        task = ClaimedTask(number, token, slug, attempts + 1, frozen, award, due_at, JournalEntry(*event))
        if task.user in busy:
            continue
        characters += len(task.event.state_json) + len(frozen or "")
        alone = attempts > 0 or characters > MAX_CHARACTERS
        if not alone or not chosen:
            chosen.append(task)
        if alone or len(chosen) == limit:
            break
    due.close()
    return chosen


def finish(store: Store, tasks: Sequence[ClaimedTask]) -> set[int]:
    """Remove tasks of one claim that are done. Returns the numbers of those whose lease was not lost.

    Call it in the transaction that enters their awards.
    """
    cursor = store.database.execute_sql(f"DELETE FROM tasks {_held(tasks)} RETURNING number", _holder(tasks))
    return {number for (number,) in cursor.fetchall()}


class Setback(NamedTuple):
    """What became of a failed task: when it is due again, or None if it is dead."""

    due_at: str | None


def fail(
    store: Store, task: ClaimedTask, failure: Failure, max_attempts: int, retry_delay: float, now: datetime
) -> Setback | None:
    """Delay a failed task, or give it up after `max_attempts`. Returns None if its lease was lost.

    `retry_delay` is the delay after the first attempt, in seconds.
    """
    due_at = None
    if task.attempts < max_attempts:
        due_at = moment(now + timedelta(seconds=delay(task.attempts, retry_delay)))
    with store.transaction():
        cursor = store.database.execute_sql(
            f"UPDATE tasks SET token = NULL, due_at = ?, error = ?, error_at = ? {_held([task])}",
            (due_at, failure.error, failure.where, *_holder([task])),
        )
    return Setback(due_at) if cursor.rowcount == 1 else None


def give_back(store: Store, tasks: Sequence[ClaimedTask]) -> None:
    """Return claimed tasks that did not run. They are due as before, so each keeps its turn.

    The attempt does not count.
    """
    with store.transaction():
        for task in tasks:
            store.database.execute_sql(
                f"UPDATE tasks SET token = NULL, due_at = ?, attempts = attempts - 1 {_held([task])}",
                (task.due_at, *_holder([task])),
            )


def end_leases(store: Store, now: datetime) -> None:
    """End every lease, so that no worker can enter what it has evaluated so far.

    Running tasks are due at once, and their attempt does not count. Call it in the transaction that changes what tasks
    are about.
    """
    store.database.execute_sql(
        "UPDATE tasks SET token = NULL, attempts = attempts - (due_at > ?1), due_at = min(due_at, ?1) "
        "WHERE token IS NOT NULL",
        (moment(now),),
    )


def _held(tasks: Sequence[ClaimedTask]) -> str:
    """A WHERE clause for the tasks of one claim that the claim still holds.

    A worker whose token is gone has lost the lease and must write nothing.
    """
    return f"WHERE token = ? AND number IN ({_holes(tasks)})"


def _holder(tasks: Sequence[ClaimedTask]) -> list[str | int]:
    return [*(task.token for task in tasks[:1]), *(task.number for task in tasks)]


def _holes(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def delay(attempts: int, retry_delay: float) -> float:
    """Seconds until the next attempt: doubled each time, up to an hour.

    Up to a quarter is added at random, so that tasks that failed together do not come back together.
    """
    jitter = 1 + int.from_bytes(os.urandom(2)) / 65535 / 4
    return float(min(retry_delay * 2 ** min(attempts - 1, 30), MAX_DELAY) * jitter)
