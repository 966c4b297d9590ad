"""A disk that is full. Badge code imports this, too."""

from __future__ import annotations

import errno
from pathlib import Path


def fill_disk(path: Path | str) -> None:
    """Let that file take all the room that its disk has."""
    with open(path, "wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return
