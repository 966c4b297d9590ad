"""Grants → the store; and what an award is, as an event, for badges that listen to awards."""

from __future__ import annotations

from collections.abc import Sequence

from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.outcomes import AWARDED, DATED_BACK, HELD, REVOKED, NewAward
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.store.award_log import award_state
from brabeion_cli.store.store import Store

MAX_DEPTH = 20  # awards that lead to one another, before it is called endless


def enter(
    store: Store,
    granted: Sequence[Grant],
    at: str,
    *,
    event_number: int | None = None,
    given_by: str | None = None,
    reason: str | None = None,
    belated: bool = False,
) -> list[tuple[Grant, str]]:
    """Enter grants that an event earned or a person gives; each with what became of it, as far as it is to be told.

    With `belated` later events may have been judged before: an award of theirs is dated back to this one.
    """
    entered = []
    for grant in granted:
        outcome = enter_one(store, grant, at, event_number, given_by, reason)
        if outcome == HELD and belated and event_number is not None and store.move_award(grant, at, event_number):
            outcome = DATED_BACK
        if is_told(grant, outcome):
            entered.append((grant, outcome))
    return entered


def enter_one(
    store: Store,
    grant: Grant,
    at: str,
    event_number: int | None,
    given_by: str | None = None,
    reason: str | None = None,
) -> str:
    """Enter a grant; what became of it: awarded, held or revoked (an implied one that is revoked counts as held)."""
    if store.add_award(grant, at, event_number, given_by, reason):
        return AWARDED
    on_record = None if grant.implied else store.award(grant)
    return REVOKED if on_record is not None and on_record.revoked_by is not None else HELD


def is_told(grant: Grant, outcome: str) -> bool:
    """Whether an outcome is worth telling: that a lower level is held, which a higher one grants along, is not."""
    return outcome != HELD or not grant.implied


def new_awards(entered: Sequence[tuple[Grant, str]], at: str, event_number: int | None = None) -> list[NewAward]:
    """Those of the entered grants that were not there before."""
    return [NewAward(grant, event_number, at) for grant, outcome in entered if outcome == AWARDED]


def award_entry(store: Store, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """The event that an award on record is, for badges that listen to `badge_awarded`; `entry` earned it."""
    on_record = store.award(grant)
    assert on_record is not None
    return award_entry_at(on_record.position, grant, level_name, entry)


def award_entry_at(position: int, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """The same, for an award whose place among those of the event is known."""
    return entry._replace(
        name=BADGE_AWARDED,
        user=grant.user,
        text=award_state(grant.badge, grant.level, level_name, grant.key),
        position=position,
        depth=entry.depth + 1,
    )


class EndlessAwardsError(Exception):
    """Awards for awards for awards, without an end."""


def require_end(entry: JournalEntry) -> None:
    """Refuse an award that too many others have led to. Raises `EndlessAwardsError`."""
    if entry.depth > MAX_DEPTH:
        raise EndlessAwardsError(
            f"not asked: an award led to an award {MAX_DEPTH} times in a row; a badge that listens to {BADGE_AWARDED} "
            "must not award without end for its own awards or those of another such badge"
        )
