"""What the parent and the child of `replay` tell each other."""

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

    With `dry_run` nothing is written. With `prune` awards that the rules no longer give are revoked, at `now`.
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
    """How far a walk has come, and what it has awarded and met since the last checkpoint; that is on disk."""

    done: int
    total: int
    awards: list[NewAward]
    failures: list[FailedEvaluation]


class StartedAgain(NamedTuple):
    """A badge ended the child: the walk starts again, without asking it about that event."""


class PrunedNeed(NamedTuple):
    """A badge that needs events of which those before a moment were pruned: nothing of it is called stale."""

    slug: str
    event: str
    before: str


class ReplayReport(NamedTuple):
    """What a whole replay came to."""

    events: int
    stale: int
    revoked: int
    changes: list[LevelChange]
    pruned_needs: list[PrunedNeed]
