"""Messages between any child process that runs badge code and its parent process."""

from __future__ import annotations

from typing import NamedTuple

from brabeion_cli.errors import LostProcessError
from brabeion_cli.sandbox.supervisor import BadgeDiedError


class Notified(NamedTuple):
    """The receivers were called. `failures` has a line for each that failed."""

    failures: list[str]


def receivers_lost(error: BadgeDiedError | LostProcessError) -> str:
    """The line for receivers that ended their process, or whose process was ended from outside."""
    if isinstance(error, BadgeDiedError):
        return f"a receiver of badge_awarded (for badge {error.slug!r}) did not return: {error}"
    return f"receivers of badge_awarded: {error.__cause__}"
