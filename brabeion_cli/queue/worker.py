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
from brabeion_cli.engine.evaluation import Case, judge
from brabeion_cli.engine.messages import Announce, Announced
from brabeion_cli.engine.notifications import announce
from brabeion_cli.errors import BrabeionError
from brabeion_cli.project import loader
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.queue.messages import Batch, Judged, NotBegun, Ready, Stop
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.sandbox.limits import confine
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.journal import Journal
from brabeion_cli.store.task_queue import Task

LONGEST = 1.0  # seconds after which no further task of a batch is begun


def serve(config: Config, stop: Stop, channel: Channel) -> None:
    """Answer `Batch` with `Judged`, `Failure` or `NotBegun` for each task in turn, and `Announce` with `Announced`."""
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
            request: Batch | Announce = channel.receive()
            channel.end_after(LONGEST + config.task_timeout + 2 * process.GRACE)
            if isinstance(request, Announce):
                database.close()  # a receiver may fire in its turn, over a connection of its own
                channel.send(Announced(announce(registry, guard, request.awards)))
                continue
            for answer in answers(request, stop, registry, journal, guard):
                channel.send(answer)


def answers(
    batch: Batch, stop: Stop, registry: Registry, journal: Journal, guard: Guard
) -> Iterator[Judged | Failure | NotBegun]:
    """The answer of each task in turn."""
    granted: set[str] = set()
    for task in batch.tasks:
        if task.user in granted or stop or time.monotonic() >= batch.until:
            yield NotBegun()
            continue
        answer = judged(task, registry, journal, guard)
        if isinstance(answer, Judged):
            granted.update(grant.user for grant in answer.grants)
        yield answer


def readiness(registry: Registry) -> Ready:
    """What the parent has to know of the badges."""
    names = {badge.slug: [badge.detail(level).name for level in range(1, len(badge.levels) + 1)] for badge in registry}
    return Ready(bool(badge_awarded), [badge.slug for badge in registry.listening_to(BADGE_AWARDED)], names)


def judged(task: Task, registry: Registry, journal: Journal, guard: Guard) -> Judged | Failure:
    """The answer of the task's badge."""
    badge = registry.get(task.badge)
    if badge is None:
        return Failure(f"no badge {task.badge!r} is registered; was it renamed or removed?")
    try:
        return Judged(judge(badge, Case(task.entry, journal), guard.call, task.state))
    except BadgeFailedError as error:
        return error.failure
