"""Writes the first files of a project, for `brabeion init`."""

from __future__ import annotations

import os

from brabeion_cli.errors import FileProblemError

CONFIGURATION = """\
# Paths are relative to this file. Options and BRABEION_* variables go before it.
db = "brabeion.db"
badges = ["badges"]

# award_timeout = 5.0        # seconds a badge may take inside fire and ingest
# task_timeout = 60.0        # seconds a deferred badge may take
# max_attempts = 5           # after which a deferred badge is given up, until `brabeion queue retry`
# retry_delay = 30.0         # seconds before the second attempt; doubles each time
# timezone = "UTC"           # where days begin, for badges that count days
# max_state_bytes = 1048576  # the longest state that is recorded
# badge_memory = 1024        # MiB that the process which runs badges may take
"""

FIRST_BADGE = '''\
from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded


class PointsBadge(Badge):
    """Awarded for points: fire points_awarded with the user's total."""

    slug = "points"
    levels = ["Bronze", "Silver", "Gold"]
    events = ["points_awarded"]

    def award(self, **state):
        points = state["points"]
        if points > 10000:
            return BadgeAwarded(level=3)
        if points > 7500:
            return BadgeAwarded(level=2)
        if points > 5000:
            return BadgeAwarded(level=1)


badges.register(PointsBadge)
'''

FILES = {"brabeion.toml": CONFIGURATION, os.path.join("badges", "points.py"): FIRST_BADGE}


def write(directory: str) -> tuple[list[str], list[str]]:
    """Write the files that are missing. Return the paths that were written, and those that existed.

    Raises `FileProblemError`.
    """
    written, kept = [], []
    for name, text in FILES.items():
        path = os.path.normpath(os.path.join(directory, name))
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
            written.append(path)
        except FileExistsError:
            if not os.path.isfile(path):
                raise FileProblemError(f"cannot write {path}: something else is in the way") from None
            kept.append(path)
        except OSError as error:
            raise FileProblemError(f"cannot write {path}: {error.strerror}") from error
    return written, kept
