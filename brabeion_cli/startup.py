"""Waits until a child has loaded the badges, which is their authors' code and may do anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from brabeion_cli import children, loader
from brabeion_cli.channel import Channel
from brabeion_cli.children import Child, ChildDiedError, ChildOverranError
from brabeion_cli.config import Config
from brabeion_cli.confinement import confine
from brabeion_cli.errors import BadgeLoadError, BrabeionError


def await_ready(child: Child, stopped: Callable[[], bool] = lambda: False) -> Any:
    """The first answer of a child; None where `stopped()` says so before. Raises what the child raised, or
    `BadgeLoadError` where a badge module ended it or takes too long.
    """
    deadline = time.monotonic() + children.START
    while not stopped():
        try:
            answer = child.receive(children.GLANCE)
        except ChildDiedError as death:
            raise BadgeLoadError(f"a badge module did not survive being loaded: {death}") from death
        except ChildOverranError:
            if time.monotonic() < deadline:
                continue
            child.kill()
            raise BadgeLoadError(f"the badge modules were not loaded within {children.START:g} s") from None
        if isinstance(answer, BrabeionError):
            raise answer
        return answer
    return None


def try_loading(config: Config) -> None:
    """Load the badges in a child first, for those who cannot afford to be ended by them. Raises `BadgeLoadError`."""
    child = Child(partial(_load, config))
    try:
        await_ready(child)
    finally:
        child.end()


def _load(config: Config, channel: Channel) -> None:
    channel.end_after(children.START)
    confine(config.db, config.badge_memory)
    try:
        loader.load(config.badges)
        channel.send(True)
    except BrabeionError as error:
        channel.send(error)
