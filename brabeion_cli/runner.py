"""The child's side of `process-queue`: runs deferred badges, one task after the other, outside any transaction."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from brabeion_cli import application, children, engine, frozen, loader, source
from brabeion_cli.base import Badge
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.deferred import Task
from brabeion_cli.errors import BrabeionError
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.outcomes import NewAward
from brabeion_cli.recorder import Announced
from brabeion_cli.registry import Registry
from brabeion_cli.signals import badge_awarded

T = TypeVar("T")


class Ready(NamedTuple):
    """The runner has loaded the badges; `receivers` tells whether anybody wants to hear of awards."""

    receivers: bool


class Judged(NamedTuple):
    """A badge has answered: the grants to enter, none where it was not earned."""

    grants: list[Grant]


class Announce(NamedTuple):
    """A request: these awards are on disk, tell the receivers."""

    awards: list[NewAward]


def serve(config: Config, channel: Channel) -> None:
    """Answer `Task` with `Judged` or `Failure`, and `Announce` with `Announced`."""
    channel.end_after(children.START)
    try:
        registry = loader.load(config.badges)
        application.adopt(config)
    except BrabeionError as error:
        error.add_note(traceback.format_exc())
        channel.send(error)
        return
    channel.send(Ready(bool(badge_awarded)))
    with Guard(config.task_timeout) as guard:
        while True:
            channel.end_after(None)
            request: Task | Announce = channel.receive()
            channel.end_after(config.task_timeout + 2 * children.GRACE)
            if isinstance(request, Announce):
                channel.send(Announced(engine.announce(registry, guard, request.awards)))
            else:
                channel.send(_run(request, registry, guard))


def _run(task: Task, registry: Registry, guard: Guard) -> Judged | Failure:
    badge = registry.get(task.badge)
    if badge is None:
        return Failure(f"no badge {task.badge!r} is registered; was it renamed or removed?")

    def ask(badge: Badge, work: Callable[[], T], /) -> T:
        return guard.ask(work, source.folder_of(type(badge)))

    try:
        text = task.state
        if text is None:
            state = json.loads(task.event_state) | {"user": task.user}
            if not badge.async_:
                return Judged(engine.judge(badge, state, task.user, task.event_number, ask))
            text = engine.freeze(badge, state, ask)  # it failed when the event was fired
        state = frozen.decode(text) | {"user": task.user}
        return Judged(engine.judge(badge, state, task.user, task.event_number, ask))
    except BadgeFailedError as error:
        return error.failure
