"""`possibly_award_badge()`: does what `brabeion fire` does, inside an application."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from datetime import datetime, timezone
from typing import Any

from brabeion_cli.domain import events, suggestions
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import Outcome
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.notifications import notify
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import NestedFireError
from brabeion_cli.project import config, loader
from brabeion_cli.project.config import BadgeDirectory, Config
from brabeion_cli.project.registry import badges
from brabeion_cli.sandbox import guard
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store.store import open_store

_adopted: Config | None = None
_loaded: set[BadgeDirectory] = set()
_one_at_a_time = threading.RLock()  # threads share stdout and the registry; a receiver may fire, too


def possibly_award_badge(event: str, /, *, force_timestamp: object = None, **state: Any) -> list[Outcome]:
    """Record an event and enter the awards that it earns. See `Registry.possibly_award_badge` for the arguments.

        possibly_award_badge("points_awarded", user="alice", points=8000)

    It asks the badges that are registered in this process and those of the configuration. It runs in the caller's
    process: unlike `brabeion fire`, it does not survive a badge that ends the process. The database is open only during
    the call, so the caller may fork and start threads.

    Returns an `Outcome` for each badge that listens. Raises `NestedFireError` inside `award()` or `freeze()`, and
    another `BrabeionError` if nothing was recorded.
    """
    with _one_at_a_time:
        if guard.is_asking():
            raise NestedFireError(
                f"possibly_award_badge({event!r}) was called inside award() or freeze(); badge code "
                "must not fire events. Call it from a receiver of badge_awarded instead"
            )
        settings = _adopted or config.resolve(config.Options(), os.environ, os.getcwd())
        now = datetime.now(timezone.utc)
        user = state.pop("user", None)
        plain = events.plain_json(state)
        made = events.make(event, plain, user=user, at=force_timestamp, now=now, max_bytes=settings.max_state_bytes)
        _load(settings)
        return _fire(made, settings, now)


def adopt(settings: Config) -> None:
    """Make this process fire with that configuration, whose badges are loaded already.

    This is for receivers in a child process of `brabeion fire`, which do not know the command's options.
    """
    global _adopted
    _adopted = settings
    _loaded.update(settings.badges)


def _fire(event: Event, settings: Config, now: datetime) -> list[Outcome]:
    with Guard(settings.award_timeout) as guard, contextlib.redirect_stdout(sys.stderr):
        with open_store(settings.db, create=True) as store:
            awarding = EventProcessor(Session(badges, store, guard, settings.timezone))
            with awarding.transaction():
                recorded = awarding.record(event, now)
        if not badges.listening_to(event.name):
            near = suggestions.near_matches(event.name, badges.event_names)
            print(f"brabeion: recorded, but no badge listens to {event.name!r}{near}", file=sys.stderr)
        for failure in notify(badges, guard, recorded.awards):
            print(f"brabeion: {failure}", file=sys.stderr)
    return recorded.outcomes


def _load(settings: Config) -> None:
    """Load each badge directory once. The default one may be missing if the application has registered badges."""
    wanted = [directory for directory in settings.badges if directory not in _loaded]
    if len(badges):
        wanted = [each for each in wanted if each.origin != config.BY_DEFAULT or os.path.isdir(each.path)]
    loader.load(wanted)
    _loaded.update(wanted)
