"""`possibly_award_badge()`: what `brabeion fire` does, inside an application."""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import datetime, timezone
from typing import Any

from brabeion_cli import config, engine, events, loader
from brabeion_cli.config import BadgeDirectory
from brabeion_cli.engine import Engine, Outcome
from brabeion_cli.errors import NestedFireError
from brabeion_cli.isolation import Guard
from brabeion_cli.registry import badges
from brabeion_cli.store import Store, open_store

_stores: dict[tuple[int, str], Store] = {}  # by process, because connections do not survive a fork
_loaded: set[BadgeDirectory] = set()


def possibly_award_badge(event: str, *, force_timestamp: object = None, **state: Any) -> list[Outcome]:
    """See `Registry.possibly_award_badge`. Badges are those registered in this process and those of the configuration.

    It runs in the caller's process: unlike `brabeion fire`, it cannot outlive a badge that ends the process.
    """
    if Guard.asking:
        raise NestedFireError(
            f"possibly_award_badge({event!r}) was called inside award() or freeze(); a badge answers, it does not "
            "fire. Call it from a receiver of badge_awarded instead"
        )
    settings = config.resolve(config.Options(), os.environ, os.getcwd())
    now = datetime.now(timezone.utc)
    user = state.pop("user", None)
    made = events.make(
        event, events.plain_json(state), user=user, at=force_timestamp, now=now, max_bytes=settings.max_state_bytes
    )
    _load(settings)
    store = _store(settings.db)
    with Guard(settings.award_timeout) as guard, contextlib.redirect_stdout(sys.stderr):
        with store.errors(), store.transaction():
            recorded = Engine(badges, store, guard).record(made, now)
        for failure in engine.announce(badges, guard, recorded.awards):
            print(f"brabeion: {failure}", file=sys.stderr)
    return recorded.outcomes


def _load(settings: config.Config) -> None:
    """Load badge directories, each once; the default one need not be there where the application has its own badges."""
    missing = {directory for directory in settings.badges if directory.origin == config.BY_DEFAULT and len(badges)}
    wanted = [
        directory
        for directory in settings.badges
        if directory not in _loaded and (directory not in missing or os.path.isdir(directory.path))
    ]
    loader.load(wanted)
    _loaded.update(wanted)


def _store(path: str) -> Store:
    key = (os.getpid(), path)
    if key not in _stores or not os.path.exists(path):
        _stores[key] = open_store(path, create=True)
    return _stores[key]
