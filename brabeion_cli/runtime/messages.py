"""Messages between any child process that runs badge code and its parent process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.errors import LostProcessError
from brabeion_cli.sandbox.supervisor import BadgeDiedError

if TYPE_CHECKING:
    from brabeion_cli.domain.catalogue import Catalogue


class BadgesLoaded(NamedTuple):
    """The process has loaded the badges.

    `receivers` is how many receivers listen to `badge_awarded`. `unregistered`: a line for each badge class that a
    badge file defines and nobody registers.
    """

    catalogue: Catalogue
    receivers: int
    unregistered: list[str]


class Notify(NamedTuple):
    """A request: call the receivers of `badge_awarded` for these awards, which are on disk."""

    awards: list[NewAward]


class Notified(NamedTuple):
    """The receivers were called. `failures` has a line for each that failed."""

    failures: list[str]


def receivers_lost(error: BadgeDiedError | LostProcessError) -> str:
    """The line for receivers that ended their process, or whose process was ended from outside."""
    if isinstance(error, BadgeDiedError):
        return f"a receiver of badge_awarded (for badge {error.slug!r}) did not return: {error}"
    return f"receivers of badge_awarded: {error.__cause__}"
