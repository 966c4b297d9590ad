"""What became of an event: an `Outcome` for each badge that was asked."""

from __future__ import annotations

from typing import Any, NamedTuple

from brabeion_cli.events import Event
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import Failure

AWARDED, HELD, REVOKED, NONE, QUEUED, ERROR = "awarded", "held", "revoked", "none", "queued", "error"
DATED_BACK = "dated back"  # held, by an event that is later: only where events are judged out of turn


class Outcome(NamedTuple):
    """What one badge answered to an event. `outcome` is awarded, held, revoked, none, queued or error; `task` is the
    number in the queue of what is to be evaluated (again) later.
    """

    badge: str
    outcome: str
    user: str | None = None
    level: int | None = None
    level_name: str | None = None
    key: str | None = None
    task: int | None = None
    error: str | None = None
    where: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that belong to this outcome, as the documented JSON has them."""
        fields: dict[str, tuple[str, ...]] = {
            NONE: (),
            QUEUED: ("task",),
            ERROR: ("error", "where", "task"),
        }
        chosen = fields.get(self.outcome, ("user", "level", "level_name", "key"))
        return {"badge": self.badge, "outcome": self.outcome} | {name: getattr(self, name) for name in chosen}


class NewAward(NamedTuple):
    """An award that was not there before; `event` is the journal's number (None: by hand), `at` the moment of it."""

    grant: Grant
    event: int | None
    at: str


class Recorded(NamedTuple):
    """An event in the journal, and what came of it. A duplicate has no outcomes."""

    event: Event
    duplicate: bool
    outcomes: list[Outcome]
    awards: list[NewAward]


def outcome_of(grant: Grant, level_name: str, outcome: str) -> Outcome:
    """An outcome that tells of one award."""
    return Outcome(grant.badge, outcome, grant.user, grant.level, level_name, grant.key or None)


def place(failure: Failure) -> str:
    """`ZeroDivisionError: division by zero (odd.py:14)`."""
    return failure.error + (f" ({failure.where})" if failure.where else "")
