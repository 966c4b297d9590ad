"""Enters what badges grant; and what an award is, as an event, for badges that listen to awards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.outcomes import NewAward, OutcomeKind
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.write_cache import WriteCache
from brabeion_cli.store.award_log import AwardLog, award_state

MAX_DEPTH = 20  # awards that lead to one another, before it is called endless


class Entered(NamedTuple):
    """A grant that was entered, and what became of it. `dated_back`: it was held by a later event, and is now dated to
    this one.
    """

    grant: Grant
    outcome: OutcomeKind
    dated_back: bool = False


def enter(
    log: AwardLog | WriteCache,
    granted: Iterable[Grant],
    at: str,
    *,
    event_number: int | None = None,
    given_by: str | None = None,
    reason: str | None = None,
    belated: bool = False,
) -> list[Entered]:
    """Enter grants that an event earned or a person gives; each that is worth telling.

    A lower level that a higher one grants along, and that is held already, is not. With `belated`, later events may
    have been judged before: an award of theirs is dated back to this one.
    """
    entered = []
    for grant in granted:
        outcome = log.enter(grant, at, event_number, given_by, reason)
        held = outcome is OutcomeKind.HELD
        dated_back = held and belated and event_number is not None and log.date_back(grant, at, event_number)
        if not held or dated_back or not grant.implied:
            entered.append(Entered(grant, outcome, dated_back))
    return entered


def new_awards(entered: Sequence[Entered], at: str, event_number: int | None = None) -> list[NewAward]:
    """Those of the entered grants that were not there before."""
    return [NewAward(each.grant, event_number, at) for each in entered if each.outcome is OutcomeKind.AWARDED]


def award_entry(log: AwardLog, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """The event that an award on record is, for badges that listen to `badge_awarded`; `entry` earned it."""
    on_record = log.get(grant)
    assert on_record is not None
    return award_entry_at(on_record.position, grant, level_name, entry)


def award_entry_at(position: int, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """The same, for an award whose place among those of the event is known."""
    return entry._replace(
        name=BADGE_AWARDED,
        user=grant.user,
        state_json=award_state(grant.slug, grant.level, level_name, grant.key),
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
