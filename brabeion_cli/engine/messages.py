"""What a process that runs badge code and its parent tell each other, whatever it was started for."""

from __future__ import annotations

from typing import NamedTuple

from brabeion_cli.domain.outcomes import NewAward


class Notify(NamedTuple):
    """A request: these awards are on disk, tell the receivers."""

    awards: list[NewAward]


class Notified(NamedTuple):
    """Receivers of `badge_awarded` have been called, and some failed."""

    failures: list[str]
