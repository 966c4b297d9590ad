"""How a child that asks badges about a store begins, and how it tells its parent what it could not do."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from brabeion_cli import children, loader
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.confinement import confine
from brabeion_cli.errors import BrabeionError
from brabeion_cli.isolation import Guard
from brabeion_cli.opening import open_store
from brabeion_cli.registry import Registry
from brabeion_cli.store import Store
from brabeion_cli.watch import SharedWatch

ALONE = 60.0  # seconds, beyond the time-outs of badges, after which a child whose parent was killed ends itself


def serve(
    config: Config,
    watch: SharedWatch,
    channel: Channel,
    work: Callable[[Registry, Store, Guard], None],
    *,
    create: bool = False,
    deferred: float | None = None,
) -> None:
    """Call `work` with the badges, loaded; the store, open; the guard. Errors of ours go to the parent.

    Deferred badges may take `deferred` seconds, where that is given.
    """
    channel.end_after(children.START)
    confine(config.db, config.badge_memory)
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
