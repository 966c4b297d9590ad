"""How a child that asks badges about a store begins, and how it tells its parent what it could not do."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial

from brabeion_cli.database import connection
from brabeion_cli.errors import BrabeionError
from brabeion_cli.project import loader
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.limits import confine
from brabeion_cli.sandbox.process import ChildProcess
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import await_ready
from brabeion_cli.store.store import Store, open_store

ALONE = 60.0  # seconds, beyond the time-outs of badges, after which a child whose parent was killed ends itself


def serve(
    config: Config,
    watch: Scoreboard,
    channel: Channel,
    work: Callable[[Registry, Store, Guard], None],
    *,
    create: bool = False,
    deferred: float | None = None,
) -> None:
    """Call `work` with the badges, loaded; the store, open; the guard. Errors of ours go to the parent.

    Deferred badges may take `deferred` seconds, where that is given.
    """
    channel.end_after(process.START)
    confine(config.db, config.badge_memory, connection.is_opening)
    try:
        registry = loader.load(config.badges)
        watch.check = channel.require_open
        with open_store(config.db, create=create) as store, Guard(config.award_timeout, watch, deferred) as guard:
            work(registry, store, guard)
    except BrabeionError as error:
        error.add_note(traceback.format_exc())
        channel.send(error)


def longest(config: Config, registry: Registry) -> float:
    """Seconds in which every badge has answered once, or was stopped, and then some."""
    return len(registry) * max(config.award_timeout, config.task_timeout) + ALONE


def try_loading(config: Config) -> None:
    """Load the badges in a child first, for those who cannot afford to be ended by them. Raises `BadgeLoadError`."""
    child = ChildProcess(partial(_load, config))
    try:
        await_ready(child)
    finally:
        child.end()


def _load(config: Config, channel: Channel) -> None:
    channel.end_after(process.START)
    confine(config.db, config.badge_memory, connection.is_opening)
    try:
        loader.load(config.badges)
        channel.send(True)
    except BrabeionError as error:
        channel.send(error)
