"""Messages between the parent process and the child process of `replay`."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from brabeion_cli.domain.outcomes import Failure, NewAward
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.sandbox.quarantine import Exclusions
from brabeion_cli.store.award_changes import LevelChange
from brabeion_cli.store.event_range import EventRange


class ReplayRequest(NamedTuple):
    """What to replay: which events, by which badges (None: all), and how.

    With `dry_run` nothing is written. With `prune` awards that the rules no longer give are revoked, dated `now`.
    """

    events: EventRange
    badges: tuple[str, ...] | None
    now: datetime
    dry_run: bool = False
    prune: bool = False
    exclusions: Exclusions = Exclusions()


class FailedEvaluation(NamedTuple):
    """A badge that failed for an event of the journal."""

    entry: JournalEntry
    slug: str
    failure: Failure


class Checkpoint(NamedTuple):
    """How far a walk has come, and its awards and failures since the last checkpoint.

    The awards are on disk, except in a dry run.
    """

    done: int
    total: int
    awards: list[NewAward]
    failures: list[FailedEvaluation]


class StartedAgain(NamedTuple):
    """A badge ended the child. The walk starts again, and does not ask that badge about that event."""


class PrunedNeed(NamedTuple):
    """A badge that needs events which were pruned before a moment. None of its awards is called stale."""

    slug: str
    event: str
    before: str


class ReplayReport(NamedTuple):
    """The result of a whole replay."""

    events: int
    stale: int
    revoked: int
    changes: list[LevelChange]
    pruned_needs: list[PrunedNeed]
