"""What became of an event: one or more `Outcome`s for each badge that was asked."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.grants import Grant

if TYPE_CHECKING:
    from brabeion_cli.base import Badge
    from brabeion_cli.domain.timeline import JournalEntry


class OutcomeKind(StrEnum):
    """The kinds of outcome. The values are those of the documented JSON."""

    AWARDED = "awarded"
    HELD = "held"
    REVOKED = "revoked"
    NONE = "none"
    QUEUED = "queued"
    ERROR = "error"


class Failure(NamedTuple):
    """Why badge code failed: the error (`ZeroDivisionError: division by zero`) and its place (`odd.py:14`)."""

    error: str
    where: str | None = None


class Outcome(NamedTuple):
    """The outcome of one event for one badge. If the event earned several awards of it, each has its own outcome.

    `badge` is the slug. `task` is the number of the task that evaluates the badge later, or again after an error.
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
        """Return the fields that this kind of outcome has in the documented JSON."""
        fields: dict[OutcomeKind, tuple[str, ...]] = {
            OutcomeKind.NONE: (),
            OutcomeKind.QUEUED: ("task",),
            OutcomeKind.ERROR: ("error", "where", "task"),
        }
        chosen = fields.get(self.outcome, ("user", "level", "level_name", "key"))
        return {"badge": self.badge, "outcome": self.outcome} | {name: getattr(self, name) for name in chosen}


class NewAward(NamedTuple):
    """A new award. `event` is the event's number in the journal, or None if a person gave the award.

    `at` is when it was awarded, as UTC text.
    """

    grant: Grant
    event: int | None
    at: str


class RecordedEvent(NamedTuple):
    """An event in the journal, with its outcomes and new awards. A duplicate has none."""

    event: Event
    duplicate: bool
    outcomes: list[Outcome]
    awards: list[NewAward]


class OutcomeListener(Protocol):
    """Receives the outcomes of events while they are recorded, one badge at a time."""

    def unheard(self, event: str) -> None:
        """No badge listens to an event of that name."""

    def unearned(self, badge: Badge) -> None:
        """The badge awards nothing for the event."""

    def entered(self, badge: Badge, grant: Grant, outcome: OutcomeKind, entry: JournalEntry) -> None:
        """A grant that `entry` earned is awarded now, held already, or was revoked before."""

    def queued(self, badge: Badge, task: int) -> None:
        """The badge is evaluated later, by that task."""

    def failed(self, badge: Badge, failure: Failure, task: int | None) -> None:
        """The badge failed. If there is a task, it evaluates the badge again later."""


class CollectedOutcomes:
    """A listener that keeps the outcomes and the new awards."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.awards: list[NewAward] = []

    def unheard(self, event: str) -> None:
        """Keep nothing."""

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
    """Make the outcome of one grant."""
    return Outcome(grant.slug, outcome, grant.user, grant.level, level_name, grant.key or None)


def failure_text(failure: Failure) -> str:
    """Return the failure as one line: `ZeroDivisionError: division by zero (odd.py:14)`."""
    return failure.error + (f" ({failure.where})" if failure.where else "")
