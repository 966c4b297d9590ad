"""How a child process that runs badge code starts, and how it reports errors to its parent process."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brabeion_cli.database import connection
from brabeion_cli.engine import in_process
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import BrabeionError
from brabeion_cli.project import loader
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.limits import confine
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.store.store import open_store

#: Seconds on top of the badges' time-outs, after which a child ends itself if its parent was killed.
ORPHAN_RESERVE = 60.0


@contextmanager
def errors_to_parent(channel: Channel) -> Iterator[None]:
    """Send a `BrabeionError` that the block raises to the parent process, with its traceback as a note."""
    try:
        yield
    except BrabeionError as error:
        error.add_note(traceback.format_exc())
        channel.send(error)


def load_badges(config: Config, channel: Channel) -> Registry:
    """Set the limits of this process and load the badge files. Raises `BadgeLoadError`, `ConfigError`.

    If a receiver of `badge_awarded` fires an event itself, the event goes into this configuration's store.
    """
    channel.end_after(process.START_TIMEOUT + process.GRACE)  # the parent gives up sooner, and says why
    confine(config.db, config.badge_memory, connection.is_opening)
    registry = loader.load(config.badges)
    in_process.adopt(config)
    return registry


def run_session(
    config: Config,
    scoreboard: Scoreboard,
    channel: Channel,
    work: Callable[[Session], None],
    *,
    create: bool = False,
    deferred: float | None = None,
) -> None:
    """Run a child: load the badges, open the store, call `work`. A `BrabeionError` goes to the parent process.

    With `create` a missing database is created. Deferred badges may take `deferred` seconds (None: `award_timeout`).
    """
    with errors_to_parent(channel):
        registry = load_badges(config, channel)
        scoreboard.check = channel.require_open
        with (
            open_store(config.db, create=create) as store,
            Guard(config.award_timeout, scoreboard, deferred) as guard,
        ):
            work(Session(registry, store, guard, config.timezone))


def seconds_to_ask_all(config: Config, registry: Registry) -> float:
    """Seconds that suffice to ask every badge once, even if each runs into its time-out, plus a reserve."""
    return len(registry) * max(config.award_timeout, config.task_timeout) + ORPHAN_RESERVE
