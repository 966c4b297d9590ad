"""What a piece of work costs SQLite: a figure that no clock blurs."""

from __future__ import annotations

from collections.abc import Callable

from brabeion_cli.store.store import Store


def steps(store: Store, work: Callable[[], object]) -> int:
    """How many steps SQLite's virtual machine takes for it."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    connection = store.database.raw()
    connection.set_progress_handler(count, 1)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 1)
    return taken
