"""What keeps the promises, and the same code without it: each must make a scenario fail."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[2] / "brabeion_cli"


class Guard(NamedTuple):
    """A piece of `module` that keeps a promise; `without` stands in its place when it is taken away."""

    name: str
    scenario: str
    module: str
    text: str
    without: str
    full: bool = False  # whether the long form is too short to miss it


OURS, NOT = "with database.write_transaction():\n        before", "if True:\n        before"

FIRST = "database/versions/0001_events_awards_tasks.sql"

GUARDS = [
    Guard(
        "immediate transactions", "R1", "database/connection",
        'lock_type="IMMEDIATE"', 'lock_type="DEFERRED"',
    ),
    Guard(
        "patience", "R1", "database/connection",
        "or time.monotonic() >= deadline:\n                    raise", "or True:\n                    raise",
    ),
    Guard(
        "fire is one transaction", "R2", "ingest/recorder",
        "with self._processor.transaction():\n                recorded", "if True:\n                recorded",
    ),
    Guard("unique ids", "R2", FIRST, 'CREATE UNIQUE INDEX "event_id"', 'CREATE INDEX "event_id"'),
    Guard("finish is one transaction", "R3", "queue/completion", "with store.transaction():\n", "if True:\n"),
    Guard("a token for each claim", "R4", "store/task_queue", "WHERE token = ?", "WHERE ? > ''"),
    Guard("unique ids", "R5", FIRST, 'CREATE UNIQUE INDEX "event_id"', 'CREATE INDEX "event_id"'),
    Guard("creating is one transaction", "R6a", "database/schema", OURS, NOT),
    Guard(
        "the version is read again", "R6b", "database/schema",
        "if before == migrations.SCHEMA_VERSION:\n", "if before == 99:\n",
    ),
    Guard("migrating is one transaction", "R6c", "database/schema", OURS, NOT),
    Guard(
        "a pause between transactions", "R14", "ingest/recorder",
        "PAUSE_SECONDS = 0.0025", "PAUSE_SECONDS = 0.0", full=True,
    ),
    Guard("transactions are short", "R14", "ingest/recorder", "LOCK_SECONDS = 0.015", "LOCK_SECONDS = 20.0", full=True),
    Guard(
        "SQLite copies", "R15", "database/backup",
        "database.raw().backup(copy)", "__import__('shutil').copyfile(source, partial)",
    ),
]  # fmt: skip


def source(guard: Guard) -> Path:
    """The file that the guard stands in."""
    return PACKAGE / (guard.module if guard.module.endswith(".sql") else f"{guard.module}.py")


def copy_without(guard: Guard, folder: Path) -> Path:
    """A copy of the package without the guard; where to put on the path to use it."""
    shutil.copytree(PACKAGE, folder / "brabeion_cli", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "brabeion_cli" / source(guard).relative_to(PACKAGE)
    path.write_text(path.read_text().replace(guard.text, guard.without))
    return folder
