"""The child's side of `process-queue`: runs deferred badges, one task after the other, outside any transaction."""

from __future__ import annotations

import contextlib
import traceback
from typing import NamedTuple

from brabeion_cli import application, children, engine, loader, sqlite
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.confinement import confine
from brabeion_cli.deferred import Task
from brabeion_cli.errors import BrabeionError
from brabeion_cli.events import BADGE_AWARDED
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.journal import Journal
from brabeion_cli.judging import Asking, Case, judge
from brabeion_cli.messages import Announced
from brabeion_cli.outcomes import NewAward
from brabeion_cli.registry import Registry
from brabeion_cli.signals import badge_awarded


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


class Announce(NamedTuple):
    """A request: these awards are on disk, tell the receivers."""

    awards: list[NewAward]


def serve(config: Config, channel: Channel) -> None:
    """Answer `Task` with `Judged` or `Failure`, and `Announce` with `Announced`."""
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
            request: Task | Announce = channel.receive()
            channel.end_after(config.task_timeout + 2 * children.GRACE)
            if isinstance(request, Announce):
                database.close()  # a receiver may fire in its turn, over a connection of its own
                channel.send(Announced(engine.announce(registry, guard, request.awards)))
            else:
                channel.send(judged(request, registry, journal, guard))


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
        return Judged(judge(badge, Case(task.entry, journal), Asking(guard), task.state))
    except BadgeFailedError as error:
        return error.failure
