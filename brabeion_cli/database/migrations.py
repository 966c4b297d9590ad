"""The schema's versions. Each file in `versions/` migrates the version before to its own.

Never change a released file. Add the next one and raise `SCHEMA_VERSION`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

SCHEMA_VERSION = 6
FOLDER = os.path.join(os.path.dirname(__file__), "versions")


def files() -> list[str]:
    """The paths of all versions, lowest first."""
    return [os.path.join(FOLDER, name) for name in sorted(os.listdir(FOLDER)) if name.endswith(".sql")]


def statements(after: int = 0, until: int | None = None) -> Iterator[str]:
    """The SQL that migrates version `after` (0: an empty database) to version `until` (None: the newest)."""
    for path in files()[after : SCHEMA_VERSION if until is None else until]:
        with open(path, encoding="utf-8") as file:
            yield from split(file.read())


def split(script: str) -> Iterator[str]:
    """The statements of a script, without the comments before them. A comment must be on a line of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        if not statement and (line.startswith("--") or not line.strip()):
            continue
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.rstrip().removesuffix(";")
            statement = ""
