"""The child's side of `process-queue`: runs deferred badges, one task after the other, outside any transaction.

Awards of the tasks of a batch are entered when it is over. So no task runs in the batch in which an earlier one granted
its user something: its badge might ask for that. Which users a badge asks about besides is not known: of those it sees
what was entered before its batch began, as it does of those whom other workers are judging at the same time.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator

from brabeion_cli.database import connection
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine import in_process
from brabeion_cli.engine.evaluation import EvaluationContext, evaluate
from brabeion_cli.engine.messages import Notified, Notify
from brabeion_cli.engine.notifications import notify
from brabeion_cli.errors import BrabeionError
from brabeion_cli.project import loader
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.queue.messages import BadgesReady, Batch, Evaluated, NotStarted, StopFlag
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.sandbox.limits import confine
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.journal import Journal
from brabeion_cli.store.task_queue import ClaimedTask

LONGEST = 1.0  # seconds after which no further task of a batch is begun


def serve(config: Config, stop: StopFlag, channel: Channel) -> None:
    """Answer `Batch` with `Evaluated`, `Failure` or `NotStarted` for each task in turn, `Notify` with `Notified`."""
    channel.end_after(process.START)
    confine(config.db, config.badge_memory, connection.is_opening)
    try:
        registry = loader.load(config.badges)
        in_process.adopt(config)
    except BrabeionError as error:
        error.add_note(traceback.format_exc())
        channel.send(error)
        return
    channel.send(readiness(registry))
    database = connection.Database(config.db)  # it connects when a badge asks for its history
    journal = Journal(database, config.timezone, registry.level_name)
    with Guard(config.task_timeout) as guard, contextlib.closing(database):
        while True:
            channel.end_after(None)
            request: Batch | Notify = channel.receive()
            channel.end_after(LONGEST + config.task_timeout + 2 * process.GRACE)
            if isinstance(request, Notify):
                database.close()  # a receiver may fire in its turn, over a connection of its own
                channel.send(Notified(notify(registry, guard, request.awards)))
                continue
            for answer in answers(request, stop, registry, journal, guard):
                channel.send(answer)


def answers(
    batch: Batch, stop: StopFlag, registry: Registry, journal: Journal, guard: Guard
) -> Iterator[Evaluated | Failure | NotStarted]:
    """The answer of each task in turn."""
    granted: set[str] = set()
    for task in batch.tasks:
        if task.user in granted or stop or time.monotonic() >= batch.until:
            yield NotStarted()
            continue
        answer = evaluated(task, registry, journal, guard)
        if isinstance(answer, Evaluated):
            granted.update(grant.user for grant in answer.grants)
        yield answer


def readiness(registry: Registry) -> BadgesReady:
    """What the parent has to know of the badges."""
    names = {badge.slug: [badge.detail(level).name for level in range(1, len(badge.levels) + 1)] for badge in registry}
    return BadgesReady(bool(badge_awarded), [badge.slug for badge in registry.listening_to(BADGE_AWARDED)], names)


def evaluated(task: ClaimedTask, registry: Registry, journal: Journal, guard: Guard) -> Evaluated | Failure:
    """The answer of the task's badge."""
    badge = registry.get(task.badge)
    if badge is None:
        return Failure(f"no badge {task.badge!r} is registered; was it renamed or removed?")
    try:
        return Evaluated(evaluate(badge, EvaluationContext(task.entry, journal), guard.call, task.state))
    except BadgeFailedError as error:
        return error.failure
