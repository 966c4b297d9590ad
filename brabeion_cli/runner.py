"""The child's side of `process-queue`: runs deferred badges, one task after the other, outside any transaction.

Awards of the tasks of a batch are entered when it is over. So no task runs in the batch in which an earlier one granted
its user something: its badge might ask for that. Which users a badge asks about besides is not known: of those it sees
what was entered before its batch began, as it does of those whom other workers are judging at the same time.
"""

from __future__ import annotations

import contextlib
import mmap
import time
import traceback
from collections.abc import Iterator
from typing import NamedTuple

from brabeion_cli import application, children, loader, sqlite
from brabeion_cli.announcing import announce
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.confinement import confine
from brabeion_cli.deferred import Task
from brabeion_cli.errors import BrabeionError
from brabeion_cli.events import BADGE_AWARDED
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.journal import Journal
from brabeion_cli.judging import Case, judge
from brabeion_cli.messages import Announced
from brabeion_cli.outcomes import NewAward
from brabeion_cli.registry import Registry
from brabeion_cli.signals import badge_awarded

LONGEST = 1.0  # seconds after which no further task of a batch is begun


class Stop:
    """Shared memory by which a parent says that no further task is to be begun. Make it before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def __bool__(self) -> bool:
        return self._memory[0] > 0

    def set(self) -> None:
        """Say so, also from a signal handler; there is no way back."""
        self._memory[0] = 1


class Ready(NamedTuple):
    """The runner has loaded the badges; `receivers` tells whether anybody wants to hear of awards, `collectors` which
    badges listen to `badge_awarded`, `level_names` what the levels of each badge are called.
    """

    receivers: bool
    collectors: list[str]
    level_names: dict[str, list[str]]


class Judged(NamedTuple):
    """A badge has answered: the grants to enter, none where it was not earned."""

    grants: list[Grant]


class NotBegun(NamedTuple):
    """A task was not begun: it has to wait for awards of an earlier one, the batch took too long, or we are stopped."""


class Batch(NamedTuple):
    """A request: judge these tasks, in turn; from `until` on, a moment of `time.monotonic()`, begin none."""

    tasks: list[Task]
    until: float


class Announce(NamedTuple):
    """A request: these awards are on disk, tell the receivers."""

    awards: list[NewAward]


def serve(config: Config, stop: Stop, channel: Channel) -> None:
    """Answer `Batch` with `Judged`, `Failure` or `NotBegun` for each task in turn, and `Announce` with `Announced`."""
    channel.end_after(children.START)
    confine(config.db, config.badge_memory)
    try:
        registry = loader.load(config.badges)
        application.adopt(config)
    except BrabeionError as error:
        error.add_note(traceback.format_exc())
        channel.send(error)
        return
    channel.send(readiness(registry))
    database = sqlite.Database(config.db)  # it connects when a badge asks for its history
    journal = Journal(database, config.timezone, registry.level_name)
    with Guard(config.task_timeout) as guard, contextlib.closing(database):
        while True:
            channel.end_after(None)
            request: Batch | Announce = channel.receive()
            channel.end_after(LONGEST + config.task_timeout + 2 * children.GRACE)
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
