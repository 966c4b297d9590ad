"""`Session`: the badges, the store and the guard that a process works with."""

from __future__ import annotations

from brabeion_cli.engine.journal import Journal
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store.store import Store


class Session:
    """Loaded badges, an open store, and the guard that calls badge code.

    The caller enters the guard as a context manager. `timezone` decides when days begin, unless a badge does.
    """

    def __init__(self, registry: Registry, store: Store, guard: Guard, timezone: str = "UTC") -> None:
        self.registry = registry
        self.store = store
        self.guard = guard
        self.journal = Journal(store.database, timezone, registry.level_name)
