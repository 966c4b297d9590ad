"""The worker of `process-queue`, a child process: evaluates deferred badges one by one, outside any transaction.

The awards of a batch are entered when the batch is over. So a task is not started if an earlier task of the batch
granted its user something: its badge might ask about that. Nobody knows which other users a badge asks about. It may
miss what the same batch, or another worker at the same time, grants to them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from brabeion_cli.database.connection import Database
from brabeion_cli.database.schema import OpenedDatabase
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate
from brabeion_cli.engine.notifications import notify
from brabeion_cli.engine.session import Session
from brabeion_cli.project.config import Config
from brabeion_cli.queue.messages import Batch, Evaluated, NotStarted, StopFlag
from brabeion_cli.runtime import bootstrap
from brabeion_cli.runtime.badge_process import Notify, badges_loaded
from brabeion_cli.runtime.messages import Notified
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.store import Store
from brabeion_cli.store.task_queue import ClaimedTask

LONGEST = 1.0  # seconds after which no further task of a batch is started


def run_worker(config: Config, stop: StopFlag, channel: Channel) -> None:
    """Run the child: send `BadgesLoaded`, then answer requests.

    A `Batch` gets an `Evaluated`, `Failure` or `NotStarted` for each task in order; a `Notify` gets a `Notified`.
    """
    with bootstrap.errors_to_parent(channel):
        registry = bootstrap.load_badges(config, channel)
        channel.send(badges_loaded(registry))
        store = Store(config.db, OpenedDatabase(Database(config.db)))  # it connects when a badge asks for its history
        with Guard(config.task_timeout) as guard, contextlib.closing(store):
            session = Session(registry, store, guard, config.timezone)
            while True:
                channel.end_after(None)
                request: Batch | Notify = channel.receive()
                answers_expected = len(badge_awarded) if isinstance(request, Notify) else 1
                channel.end_after(LONGEST + answers_expected * config.task_timeout + 2 * process.GRACE)
                if isinstance(request, Notify):
                    store.close()  # a receiver may fire an event over a connection of its own
                    channel.send(Notified(notify(registry, guard, request.awards)))
                    continue
                for answer in answers(request, stop, session):
                    channel.send(answer)


def answers(batch: Batch, stop: StopFlag, session: Session) -> Iterator[Evaluated | Failure | NotStarted]:
    """The answer for each task, in order."""
    granted: set[str] = set()
    for task in batch.tasks:
        if task.user in granted or stop or time.monotonic() >= batch.until:
            yield NotStarted()
            continue
        answer = evaluate_task(task, session)
        if isinstance(answer, Evaluated):
            granted.update(grant.user for grant in answer.grants)
        yield answer


def evaluate_task(task: ClaimedTask, session: Session) -> Evaluated | Failure:
    """Ask the task's badge."""
    badge = session.registry.get(task.slug)
    if badge is None:
        return Failure(f"no badge {task.slug!r} is registered; was it renamed or removed?")
    try:
        context = EvaluationContext(task.entry, session.journal)
        return Evaluated(evaluate(badge, context, session.guard.call, task.frozen))
    except BadgeFailedError as error:
        return error.failure
