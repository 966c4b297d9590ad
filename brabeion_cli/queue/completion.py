"""Records the results of a batch of tasks in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure, NewAward, OutcomeKind
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.awarding import EndlessAwardsError, Entered, award_entry, enter, new_awards, require_end
from brabeion_cli.project.config import Config
from brabeion_cli.queue.messages import AnsweredTask, Evaluated, NotStarted
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store
from brabeion_cli.store.task_queue import ClaimedTask


class TaskDone(NamedTuple):
    """A task is finished, and its awards are on disk.

    `new` are the awards that were not there before. `endless` says why badges that listen to its awards were not asked.
    """

    task: ClaimedTask
    entered: list[Entered]
    new: list[NewAward]
    endless: str | None = None


class TaskFailed(NamedTuple):
    """A task failed. `due_at` is when it is tried again; None if it is dead now."""

    task: ClaimedTask
    failure: Failure
    due_at: str | None


class LeaseLost(NamedTuple):
    """The task is no longer ours: its lease ran out, or it was dropped or taken back. Nothing was recorded."""

    task: ClaimedTask


def complete_batch(
    store: Store, answered: Sequence[AnsweredTask], catalogue: Catalogue, config: Config, now: datetime
) -> list[TaskDone | TaskFailed | LeaseLost]:
    """Record answered tasks in one transaction. The evaluated ones must be of one claim.

    Tasks that are done are removed, failed ones get another attempt later, and those not started are given back.
    """
    evaluated = [(each.task, each.answer.grants) for each in answered if isinstance(each.answer, Evaluated)]
    failed = [(each.task, each.answer) for each in answered if isinstance(each.answer, Failure)]
    rest = [each.task for each in answered if isinstance(each.answer, NotStarted)]
    reports: list[TaskDone | TaskFailed | LeaseLost] = []
    with store.transaction():
        if evaluated:
            reports += finish(store, evaluated, catalogue, now)
        for task, failure in failed:
            setback = task_queue.fail(store, task, failure, config.max_attempts, config.retry_delay, now)
            reports.append(LeaseLost(task) if setback is None else TaskFailed(task, failure, setback.due_at))
        if rest:
            task_queue.give_back(store, rest)
    return reports


def finish(
    store: Store, evaluated: Sequence[tuple[ClaimedTask, Sequence[Grant]]], catalogue: Catalogue, now: datetime
) -> list[TaskDone | LeaseLost]:
    """Finish tasks of one claim in one transaction: enter their awards, and defer the badges that listen to awards.

    A task whose lease was lost enters nothing.
    """
    reports: list[TaskDone | LeaseLost] = []
    with store.transaction():
        ours = task_queue.finish(store, [task for task, _ in evaluated])
        for task, grants in evaluated:
            reports.append(_enter(store, task, grants, catalogue, now) if task.number in ours else LeaseLost(task))
    return reports


def _enter(store: Store, task: ClaimedTask, grants: Sequence[Grant], catalogue: Catalogue, now: datetime) -> TaskDone:
    if not grants:
        return TaskDone(task, [], [])
    entry, endless = task.entry, None
    entered = enter(store.awards, grants, entry.at, event_number=entry.number, belated=True)
    changed = [each.grant for each in entered if each.outcome is OutcomeKind.AWARDED or each.dated_back]
    try:
        _defer_collectors(store, changed, entry, catalogue, now)
    except EndlessAwardsError as error:
        endless = str(error)
    return TaskDone(task, entered, new_awards(entered, entry.at, entry.number), endless)


def _defer_collectors(
    store: Store, awarded: Sequence[Grant], entry: JournalEntry, catalogue: Catalogue, now: datetime
) -> None:
    """Defer the badges that listen to awards, for each of these. Raises `EndlessAwardsError`."""
    collectors = catalogue.listening_to(BADGE_AWARDED)
    for grant in awarded if collectors else ():
        award = award_entry(store.awards, grant, catalogue.level_name(grant.slug, grant.level), entry)
        require_end(award)
        for slug in collectors:
            task_queue.defer(store, slug, award, None, now)
