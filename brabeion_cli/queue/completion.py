"""What became of the tasks of a batch, on disk in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.outcomes import AWARDED, DATED_BACK, Failure, NewAward
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, award_entry, enter, new_awards, require_end
from brabeion_cli.project.config import Config
from brabeion_cli.queue.messages import BadgesReady, Evaluated, NotStarted
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store
from brabeion_cli.store.task_queue import ClaimedTask

Answered = tuple[ClaimedTask, Evaluated | Failure | NotStarted]


class TaskDone(NamedTuple):
    """A task is finished, and its awards are on disk; `new` are those that were not there before."""

    task: ClaimedTask
    entered: list[tuple[Grant, str]]
    new: list[NewAward]
    endless: str | None = None  # why badges that listen to its awards were not asked


class TaskFailed(NamedTuple):
    """A task failed; `due_at` is when it is tried again, None where it is dead now."""

    task: ClaimedTask
    failure: Failure
    due_at: str | None


class LeaseLost(NamedTuple):
    """A task took longer than its lease, and another worker has it: nothing of ours was recorded."""

    task: ClaimedTask


def complete_batch(
    store: Store, answered: Sequence[Answered], ready: BadgesReady, config: Config, now: datetime
) -> list[TaskDone | TaskFailed | LeaseLost]:
    """One transaction: of the tasks of a claim those that are done go, those that failed are put off, and those that
    were not begun are given back.
    """
    judged = [(task, answer.grants) for task, answer in answered if isinstance(answer, Evaluated)]
    failed = [(task, answer) for task, answer in answered if isinstance(answer, Failure)]
    rest = [task for task, answer in answered if isinstance(answer, NotStarted)]
    reports: list[TaskDone | TaskFailed | LeaseLost] = []
    with store.transaction():
        if judged:
            reports += finish(store, judged, ready, now)
        for task, failure in failed:
            setback = task_queue.fail(store, task, failure, config.max_attempts, config.retry_delay, now)
            reports.append(LeaseLost(task) if setback is None else TaskFailed(task, failure, setback.due_at))
        if rest:
            task_queue.give_back(store, rest)
    return reports


def finish(
    store: Store, judged: Sequence[tuple[ClaimedTask, Sequence[Grant]]], ready: BadgesReady, now: datetime
) -> list[TaskDone | LeaseLost]:
    """One transaction: of the tasks of a claim those whose lease is still ours go; their awards come, and the tasks of
    badges that listen to awards.
    """
    with store.transaction():
        ours = task_queue.finish(store, [task for task, _ in judged])
        return [
            _enter(store, task, grants, ready, now) if task.number in ours else LeaseLost(task)
            for task, grants in judged
        ]


def _enter(store: Store, task: ClaimedTask, grants: Sequence[Grant], ready: BadgesReady, now: datetime) -> TaskDone:
    if not grants:
        return TaskDone(task, [], [])
    entry, endless = task.entry, None
    entered = enter(store, grants, entry.at, event_number=entry.number, belated=True)
    granted = [grant for grant, outcome in entered if outcome in (AWARDED, DATED_BACK)]
    try:
        _put_off(store, granted, entry, ready, now)
    except EndlessAwardsError as error:
        endless = str(error)
    return TaskDone(task, entered, new_awards(entered, entry.at, entry.number), endless)


def _put_off(store: Store, granted: Sequence[Grant], entry: JournalEntry, ready: BadgesReady, now: datetime) -> None:
    """An award is an event: put off the badges that listen to it. Raises `EndlessAwardsError`."""
    for grant in granted if ready.collectors else ():
        about = award_entry(store, grant, ready.level_names[grant.badge][grant.level - 1], entry)
        require_end(about)
        for collector in ready.collectors:
            task_queue.defer(store, collector, about, None, now)
