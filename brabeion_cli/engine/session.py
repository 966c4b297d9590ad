"""A session: the badges, the store and the guard that a process works with, handed on as one."""

from __future__ import annotations

from brabeion_cli.engine.journal import Journal
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store.store import Store


class Session:
    """Badges that are loaded, a store that is open, and the guard that calls badge code.

    The caller enters the guard. `timezone` is where days begin for badges that do not say.
    """

    def __init__(self, registry: Registry, store: Store, guard: Guard, timezone: str = "UTC") -> None:
        self.registry = registry
        self.store = store
        self.guard = guard
        self.journal = Journal(store.database, timezone, registry.level_name)
