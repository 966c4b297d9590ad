"""What became of an event: an `Outcome` for each badge that was asked."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import Event

if TYPE_CHECKING:
    from brabeion_cli.base import Badge
    from brabeion_cli.domain.timeline import JournalEntry


class OutcomeKind(StrEnum):
    """What one badge came to. The values are those of the documented JSON."""

    AWARDED = "awarded"
    HELD = "held"
    REVOKED = "revoked"
    NONE = "none"
    QUEUED = "queued"
    ERROR = "error"


class Failure(NamedTuple):
    """Why a piece of badge code gave no answer: `ZeroDivisionError: division by zero`, at `odd.py:14`."""

    error: str
    where: str | None = None


class Outcome(NamedTuple):
    """What one badge answered to an event.

    `badge` is its slug; `task` is the number in the queue of what is to be evaluated (again) later.
    """

    badge: str
    outcome: OutcomeKind
    user: str | None = None
    level: int | None = None
    level_name: str | None = None
    key: str | None = None
    task: int | None = None
    error: str | None = None
    where: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that belong to this outcome, as the documented JSON has them."""
        fields: dict[OutcomeKind, tuple[str, ...]] = {
            OutcomeKind.NONE: (),
            OutcomeKind.QUEUED: ("task",),
            OutcomeKind.ERROR: ("error", "where", "task"),
        }
        chosen = fields.get(self.outcome, ("user", "level", "level_name", "key"))
        return {"badge": self.badge, "outcome": self.outcome} | {name: getattr(self, name) for name in chosen}


class NewAward(NamedTuple):
    """An award that was not there before; `event` is the journal's number (None: by hand), `at` the moment of it."""

    grant: Grant
    event: int | None
    at: str


class RecordedEvent(NamedTuple):
    """An event in the journal, and what came of it. A duplicate has no outcomes."""

    event: Event
    duplicate: bool
    outcomes: list[Outcome]
    awards: list[NewAward]


class OutcomeListener(Protocol):
    """Is told what becomes of events while they are recorded, badge by badge."""

    def unheard(self, event: str) -> None:
        """No badge listens to an event of that name."""

    def unearned(self, badge: Badge) -> None:
        """The badge awards nothing."""

    def entered(self, badge: Badge, grant: Grant, outcome: OutcomeKind, entry: JournalEntry) -> None:
        """A grant of the badge is awarded, held or revoked; `entry` earned it."""

    def queued(self, badge: Badge, task: int) -> None:
        """The badge answers later."""

    def failed(self, badge: Badge, failure: Failure, task: int | None) -> None:
        """The badge failed, and is asked again later where there is a task."""


class CollectedOutcomes:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.awards: list[NewAward] = []

    def unheard(self, event: str) -> None:
        """Nothing to keep."""

    def unearned(self, badge: Badge) -> None:
        self.outcomes.append(Outcome(badge.slug, OutcomeKind.NONE))

    def entered(self, badge: Badge, grant: Grant, outcome: OutcomeKind, entry: JournalEntry) -> None:
        self.outcomes.append(outcome_of(grant, badge.detail(grant.level).name, outcome))
        if outcome is OutcomeKind.AWARDED:
            self.awards.append(NewAward(grant, entry.number, entry.at))

    def queued(self, badge: Badge, task: int) -> None:
        self.outcomes.append(Outcome(badge.slug, OutcomeKind.QUEUED, task=task))

    def failed(self, badge: Badge, failure: Failure, task: int | None) -> None:
        self.outcomes.append(
            Outcome(badge.slug, OutcomeKind.ERROR, task=task, error=failure.error, where=failure.where)
        )


def outcome_of(grant: Grant, level_name: str, outcome: OutcomeKind) -> Outcome:
    """An outcome that tells of one award."""
    return Outcome(grant.slug, outcome, grant.user, grant.level, level_name, grant.key or None)


def failure_text(failure: Failure) -> str:
    """`ZeroDivisionError: division by zero (odd.py:14)`."""
    return failure.error + (f" ({failure.where})" if failure.where else "")
