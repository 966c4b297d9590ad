"""Limits that a child process sets for itself before it loads badge code: on memory, and on access to the database.

They limit accidents. They do not stop an attacker: badge code runs with its caller's rights.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

OUT_OF_MEMORY = 72  # the exit status of a child in which badge code used more memory than it may

_memory_is_bounded = False


def confine(db: str, mebibytes: int, is_brabeion: Callable[[], bool]) -> None:
    """Limit the memory of this process, in MiB, and refuse to open the database `db` for writing.

    Opening it is allowed while `is_brabeion()` is true. Badge code that tries gets a `PermissionError`.
    """
    global _memory_is_bounded
    import resource

    # Linux counts the data of a process. On other systems, limit its address space.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    most = mebibytes * 1024 * 1024
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    _memory_is_bounded = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect" and not is_brabeion() and _would_write(arguments[0], db):
            raise PermissionError(
                "a badge may not open brabeion's own database, whose lock it would hold; ask state['history'], "
                "or open it with sqlite3.connect('file:…?mode=ro', uri=True)"
            )

    sys.addaudithook(watch)


def end_without_memory() -> None:
    """End this process if its memory is limited: what used it up may never be freed."""
    if _memory_is_bounded:
        os._exit(OUT_OF_MEMORY)


def _would_write(name: object, db: str) -> bool:
    from urllib.parse import unquote

    try:
        path = os.fsdecode(name)  # type: ignore[arg-type]  # badge code may give anything
        if path.startswith("file:"):
            path, _, query = path.removeprefix("file:").partition("?")
            if "mode=ro" in query.split("&"):
                return False
            path = unquote(path.removeprefix("//"))
        return os.path.samefile(path, db)
    except (OSError, TypeError, ValueError):
        return False
